"""One shrunk Gaussian a place of the patch grid, from moments."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twofold.densities import FEW, same_in_few
from twofold.errors import CollapseError, NotEnoughImagesError
from twofold.eyes.covariances import averaged_covariances, common_goal, inverse_roots, shrunk
from twofold.eyes.moments import TOGETHER, Floats, Mask, PatchMoments
from twofold.eyes.places import Block, by_place, image_blocks
from twofold.threads import in_parts

__all__ = [
    "MIN_IMAGES",
    "TOP_PLACES",
    "PatchGaussians",
    "fit_patch_gaussians",
    "only_looked_at",
    "top_mean",
]

Array = NDArray[np.float64]

# An image is as odd as its three oddest places. Pooling over a neighbourhood lets the smallest flaw
# reach three places in each direction; more would drown it among normal places, and the maximum
# alone would hang on one patch of noise.
TOP_PLACES = 3
# Images per matrix product, filled up with zeros: one of two shapes, so that an image's bits do not
# depend on its neighbours. The smaller one, FEW, is for the last few images, or the only one.
_BLOCK = 64
# Patches of a few places that are whitened together: they stay in a core's own cache.
_ROWS = 256
# One image alone varies nowhere.
MIN_IMAGES = 2
# Added to every variance, in units of the mean one, since moments are of float32.
_LEAST_VARIANCE = 1e-6


@dataclass(frozen=True)
class PatchGaussians:
    """One Gaussian a place, or one for all.

    Attributes:
        mean: float32 (p, c); p = 1 if all places share one.
        whitening: float32 (p, c, c); the squared distance of a centred x is ``|W x|^2``.
        log_determinant: float64 (p,), of the covariances.
    """

    mean: Floats
    whitening: Floats
    log_determinant: Array

    def squared_distances(
        self, patches: NDArray[np.floating], looked_at: Mask | None = None
    ) -> Array:
        """Squared Mahalanobis distance of each patch, float64 (n, g * g).

        Args:
            patches: (n, c, g, g) with g * g = p, or any g if all places share one.
            looked_at: bool (n, g * g), patches that count; the others are at 0.
        """
        n, start = len(patches), 0
        # No images have no grid either.
        found = np.empty((n, math.prod(patches.shape[2:])))
        mean, turned = self._exact
        while start < n:
            size = _block(n - start, turned.shape[-1])
            chunk = patches[start : start + size]
            block = np.zeros((size, *patches.shape[1:]), dtype=np.float32)
            block[: len(chunk)] = chunk
            distances = _whitened_squares(by_place(block).astype(np.float64), mean, turned)
            found[start : start + size] = distances.T[: len(chunk)]
            start += size
        return only_looked_at(found, looked_at)

    @cached_property
    def _exact(self) -> tuple[Array, Array]:
        """Means and turned whitening in float64, where BLAS gives a row the same bits anywhere.

        Turned in memory, which halves the product with a few images.
        """
        turned = np.ascontiguousarray(self.whitening.transpose(0, 2, 1), dtype=np.float64)
        return self.mean.astype(np.float64), turned

    @cached_property
    def sizes(self) -> Array:
        """Frobenius norm of each place's whitening, float64 (p,)."""
        squares = np.einsum("pij,pij->p", self.whitening, self.whitening, dtype=np.float64)
        return np.asarray(np.sqrt(squares))

    def only(self, places: Mask) -> PatchGaussians:
        """The Gaussians of some places alone, bool (p,), in their order."""
        own = (self.mean[places], self.whitening[places], self.log_determinant[places])
        return PatchGaussians(*own)

    def at(self, places: Mask) -> PatchGaussians:
        """The same on a larger grid, at whose other places nothing is odd: distances are 0 there.

        Args:
            places: bool (q,), True at as many as there are here, in their order.
        """
        p, c = len(places), self.mean.shape[1]
        mean, whitening = np.zeros((p, c), np.float32), np.zeros((p, c, c), np.float32)
        log_determinant = np.zeros(p)
        mean[places], whitening[places] = self.mean, self.whitening
        log_determinant[places] = self.log_determinant
        return PatchGaussians(mean, whitening, log_determinant)

    def of_places(self, places: Floats, rows: Mask | None = None) -> Array:
        """Squared distances (n, p) from places (p, n, c), in float32: for fits, twice as fast.

        Args:
            places: see :func:`twofold.eyes.as_places`.
            rows: images that are wanted, bool (n,); None for all.
        """
        found = [self.of_block(block) for block in image_blocks(places, rows)]
        if len(found) == 1:
            return found[0]
        return np.concatenate([np.empty((0, places.shape[0])), *found])

    def of_block(self, block: Block) -> Array:
        """The same of a block of images, (b, p)."""
        shared = len(self.mean) == 1
        turned = self.whitening.transpose(0, 2, 1)
        found = np.empty((len(block.values), len(block.rows)))

        def fill(at: slice) -> None:
            own = slice(None) if shared else at
            found[at] = _whitened_squares(block.at(at), self.mean[own], turned[own])

        in_parts(len(found), TOGETHER, fill)
        return found.T

    def scores_of_places(self, places: Floats) -> Array:
        """Mean distance of each image's three oddest places, float64 (n,), as :meth:`of_places`."""
        blocks = image_blocks(places)
        return np.concatenate([np.empty(0), *(top_mean(self.of_block(b)) for b in blocks)])

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Arrays from which :meth:`from_state` rebuilds the same object bit by bit."""
        return {
            "mean": self.mean,
            "whitening": self.whitening,
            "log_determinant": self.log_determinant,
        }

    @classmethod
    def from_state(cls, state: dict[str, NDArray[np.generic]], channels: int) -> PatchGaussians:
        """Inverse of :meth:`state`.

        Raises:
            ValueError: the shapes do not belong together, or to patches of so many channels.
        """
        mean, whitening, logdet = (state[name] for name in ("mean", "whitening", "log_determinant"))
        p = len(mean)
        if mean.shape != (p, channels) or whitening.shape != (p, channels, channels):
            raise ValueError(f"patch Gaussians of shapes {mean.shape} and {whitening.shape}")
        if logdet.shape != (p,) or not p:
            raise ValueError(f"log_determinant of shape {logdet.shape}")
        return cls(
            mean.astype(np.float32, copy=False),
            whitening.astype(np.float32, copy=False),
            logdet.astype(np.float64, copy=False),
        )


def _block(n: int, channels: int) -> int:
    """Images of the next matrix product, of n that are left."""
    return FEW if n <= FEW and same_in_few(channels, channels, turned=True) else _BLOCK


def _whitened_squares(
    places: NDArray[np.floating], mean: NDArray[np.floating], turned: NDArray[np.floating]
) -> Array:
    """Squared distances (p, n) of patches by place, in the inputs' own precision.

    Args:
        places: (p, n, c).
        mean: (p, c), or (1, c).
        turned: (p, c, c) or (1, c, c), the transpose of each whitening.
    """
    found = np.empty(places.shape[:2])
    shared = len(mean) == 1
    together = max(1, _ROWS // max(1, places.shape[1]))
    for start in range(0, len(places), together):
        at = slice(start, start + together)
        own = slice(None) if shared else at
        white = np.matmul(places[at] - mean[own, None], turned[own])
        found[at] = np.einsum("pnc,pnc->pn", white, white)
    return found


def fit_patch_gaussians(
    target: PatchMoments,
    source: PatchMoments | None = None,
    *,
    source_weight: float = 1.0,
    regularisation: float | None = None,
) -> PatchGaussians:
    """A shrunk Gaussian at each place, on the target and the source moved onto its mean.

    The mean is the target's, so a shift of the mean costs nothing at any place; the covariance is
    the average of both domains' own, the source's images counting ``source_weight`` each. It is
    shrunk towards what all places have in common, their mean covariance, by as much as minimises
    the expected squared error (Ledoit & Wolf 2003, with that target): of a handful of images one
    place alone says little, all together much. And where hardly anything ever varies, such as on a
    blank background, the variance of a place alone would turn rounding into anomalies.

    Args:
        target: moments of presumed target normals, at least 2.
        source: moments of source normals.
        source_weight: in [0, 1].
        regularisation: None shrinks; a number > 0 instead adds that share of the mean variance of
            all places and channels to every variance (PaDiM).

    Raises:
        NotEnoughImagesError: fewer than two target images.
        CollapseError: no place of any image differs from another image's, or by so little that
            its square is nothing in float32.

    Cost O(p c^3) time, whatever the number of images.
    """
    if target.n < MIN_IMAGES:
        raise NotEnoughImagesError(
            f"patch Gaussians need at least {MIN_IMAGES} target images, got {target.n}"
        )
    p, c = target.mean.shape
    typical = None if source is None else source.typical
    n, mean, fourth = averaged_covariances(target.typical, typical, source_weight)
    level = float(np.trace(mean[0])) / c
    scale = float(np.square(target.mean).sum(axis=1).mean()) / c
    if level <= 1e-12 * max(scale, 1e-300):
        raise CollapseError(f"all {target.n} images have the same patches: nothing to tell apart")
    goal = common_goal(mean[0], float(fourth[0]), n * p)
    whitening, logdet = np.empty((p, c, c), dtype=np.float32), np.empty(p)

    def fill(at: slice) -> None:
        near = None if source is None else source.at(at)
        _, covariance, fourth = averaged_covariances(target.at(at), near, source_weight)
        if regularisation is None:
            spread = shrunk(covariance, goal, fourth, n)
        else:
            spread = covariance + regularisation * level * np.eye(c)
        np.einsum("pii->pi", spread)[:] += _LEAST_VARIANCE * level
        found = inverse_roots(spread, _LEAST_VARIANCE * level)
        logdet[at] = -2.0 * np.log(np.einsum("pii->pi", found)).sum(axis=1)
        whitening[at] = found

    in_parts(p, TOGETHER, fill)
    return PatchGaussians(target.mean.astype(np.float32), whitening, logdet)


def top_mean(distances: Array, places: int = TOP_PLACES, looked_at: Mask | None = None) -> Array:
    """Mean of each row's largest values, float64 (n,): an image's score from its patches'.

    Args:
        distances: float64 (n, p), none negative.
        places: how many, >= 1; all p if there are fewer.
        looked_at: bool (n, p), patches that count; at least one of each row.
    """
    k = min(places, distances.shape[1])
    largest = np.partition(only_looked_at(distances, looked_at), -k, axis=1)[:, -k:]
    # In one order, in which they are added up: the partition's depends on the others and the CPU.
    largest.sort(axis=1)
    if looked_at is None:
        return np.asarray(largest.mean(axis=1))
    # What does not count is 0, and nothing is less.
    return np.asarray(largest.sum(axis=1) / np.minimum(k, looked_at.sum(axis=1)))


def only_looked_at(distances: Array, looked_at: Mask | None) -> Array:
    """Distances (n, p), 0 where ``looked_at``, bool (n, p), is False; None changes nothing."""
    return distances if looked_at is None else np.where(looked_at, distances, 0.0)
