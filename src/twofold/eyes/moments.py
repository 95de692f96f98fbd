"""What a set of images contributes to a fit of patch Gaussians: moments of each place."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Moments
from twofold.errors import NotEnoughImagesError, UsageError
from twofold.eyes.places import Block, image_blocks, largest
from twofold.threads import in_parts

__all__ = [
    "TOGETHER",
    "PatchMoments",
    "PatchParts",
    "patch_moments",
]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

TOGETHER = 4
"""Places that are worked on at a time: few enough for their matrices to stay in a core's cache, and
enough that threads seldom wait for each other."""


@dataclass(frozen=True)
class PatchMoments:
    """What a set of images contributes to a fit.

    Attributes:
        n: images.
        mean: float64 (p, c); p = 1 if all places share one.
        covariance: float64 (p, c, c), biased, around the own mean.
        fourth: float64 (p,), mean of the squared squared distance to the mean.
    """

    n: int
    mean: Array
    covariance: Array
    fourth: Array

    @cached_property
    def typical(self) -> PatchMoments:
        """What all places have in common, as one: means of their moments."""
        parts = (self.mean, self.covariance, self.fourth)
        with np.errstate(over="ignore", invalid="ignore"):
            means = [np.asarray(part.mean(axis=0, keepdims=True)) for part in parts]
        return PatchMoments(self.n, *means)

    def at(self, places: slice) -> PatchMoments:
        """Those of some places."""
        return PatchMoments(self.n, self.mean[places], self.covariance[places], self.fourth[places])

    @classmethod
    def gathered(
        cls, n: int, p: int, c: int, part: Callable[[slice], PatchMoments]
    ) -> PatchMoments:
        """Those of all p places, from a function that gives those of some."""
        whole = cls(n, np.empty((p, c)), np.empty((p, c, c)), np.empty(p))

        def fill(places: slice) -> None:
            found = part(places)
            whole.mean[places], whole.fourth[places] = found.mean, found.fourth
            whole.covariance[places] = found.covariance

        in_parts(p, TOGETHER, fill)
        return whole


def patch_moments(
    places: Floats, rows: Mask | None = None, *, shared: bool = False
) -> PatchMoments:
    """First, second and fourth moments of each place; O(n p c^2) time, O(p c^2) memory.

    Args:
        places: see :func:`twofold.eyes.as_places`, (p, n, c).
        rows: images that count, bool (n,); all by default.
        shared: one mean and covariance of the patches of all places, p = 1: for surfaces without
            fixed places, such as a texture.

    Raises:
        NotEnoughImagesError: no image counts.
        UsageError: patches so large that their squares leave the range of float32.
    """
    n = places.shape[1]
    count = n if rows is None else int(rows.sum())
    if not count:
        raise NotEnoughImagesError("patch moments need at least 1 image, got 0")
    sums = _sums(places, rows)
    # In place: these matrices are most of what a fit to a few images holds.
    covariance = np.divide(sums.second, count, out=sums.second)
    moments = PatchMoments(count, sums.mean, covariance, sums.fourth / count)
    # A square that is too large for float32 makes the mean of all infinite, or no number.
    if not np.isfinite(moments.typical.covariance).all():
        raise UsageError(
            f"patch features up to {largest(places):.0e} are too large: scale them down"
        )
    return _shared(moments) if shared else moments


def _sums(places: Floats, rows: Mask | None = None) -> Moments:
    """Moments of the images that count, of all places side by side, block of images by block."""
    p, _, c = places.shape
    found, n = tuple(np.zeros(shape) for shape in ((p, c), (p, c, c), (p, c), (p,))), 0
    for block in image_blocks(places, rows):

        def add(at: slice, block: Block = block, before: int = n) -> None:
            # Moments of a few places stay in a core's cache.
            with np.errstate(over="ignore", invalid="ignore"):
                own = Moments(before, *(sums[at] for sums in found))
                both = own.merged(_of_block(block.at(at)))
            for sums, new in zip(
                found, (both.mean, both.second, both.third, both.fourth), strict=True
            ):
                sums[at] = new

        in_parts(p, TOGETHER, add)
        n += len(block.rows)
    return Moments(n, *found)


def _of_block(values: Floats) -> Moments:
    """Of the images (k, n, c) of some places, n >= 1; their products are of float32."""
    mean = values.mean(axis=1, dtype=np.float64)
    z = values - mean[:, None].astype(np.float32)
    with np.errstate(over="ignore", invalid="ignore"):
        second = np.matmul(z.transpose(0, 2, 1), z).astype(np.float64)
        # Of many terms as exact as the terms.
        q = np.einsum("pnc,pnc->pn", z, z)
        third = np.matmul(q[:, None], z)[:, 0].astype(np.float64)
        fourth = np.square(q.astype(np.float64)).sum(axis=1)
    return Moments(values.shape[1], mean, second, third, fourth)


def _shared(moments: PatchMoments) -> PatchMoments:
    """Moments of all places together.

    ``n`` stays the number of images: the patches of one are not independent.
    """
    mean = moments.mean.mean(axis=0, keepdims=True)
    apart = moments.mean - mean
    pooled = moments.covariance.mean(axis=0, keepdims=True) + apart.T @ apart / len(apart)
    # Of the fourth moment, what lies between places is small beside what lies within.
    return PatchMoments(moments.n, mean, pooled, moments.fourth.mean(keepdims=True))


@dataclass(frozen=True)
class PatchParts:
    """Some images of a pool, of which moments without others are found by taking theirs off.

    Attributes:
        places: of the pool, float32 (p, n, c).
        rows: the images, bool (n,).
        sums: theirs, of each place.
    """

    places: Floats
    rows: Mask
    sums: Moments

    @classmethod
    def of(cls, places: Floats, rows: Mask) -> PatchParts:
        """O(n p c^2) time."""
        return cls(places, rows, _sums(places, rows))

    def without(self, others: Mask, *, shared: bool = False) -> PatchMoments:
        """As :func:`patch_moments` of the images that are no others, bool (n,), but for rounding.

        O(k p c^2) time for k images that are among the others.

        Raises:
            NotEnoughImagesError: no image is left.
        """
        p, _, c = self.places.shape
        n = int((self.rows & ~others).sum())
        if not n:
            raise NotEnoughImagesError("patch moments need at least 1 image, got 0")
        taken = _sums(self.places, self.rows & others)

        def some(at: slice) -> PatchMoments:
            rest = self.sums.at(at).without(taken.at(at))
            return PatchMoments(n, rest.mean, rest.second / n, rest.fourth / n)

        found = PatchMoments.gathered(n, p, c, some)
        return _shared(found) if shared else found
