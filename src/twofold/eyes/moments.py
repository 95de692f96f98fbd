"""What a set of images contributes to a fit of patch Gaussians: moments of each place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError, UsageError

__all__ = ["PatchMoments", "PatchSums", "as_places", "patch_moments"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def as_places(patches: NDArray[np.floating]) -> Floats:
    """(n, c, g, g) -> contiguous float32 (g * g, n, c): the images of one place side by side."""
    n, c = patches.shape[:2]
    flat = np.asarray(patches, dtype=np.float32).reshape(n, c, math.prod(patches.shape[2:]))
    return np.ascontiguousarray(flat.transpose(2, 0, 1))


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


def patch_moments(
    places: Floats, rows: Mask | None = None, *, shared: bool = False
) -> PatchMoments:
    """First, second and fourth moments of each place; O(n p c^2) time, O(p c^2) memory.

    Args:
        places: see :func:`as_places`, (p, n, c).
        rows: images that count, bool (n,); all by default.
        shared: one mean and covariance of the patches of all places, p = 1: for surfaces without
            fixed places, such as a texture.

    Raises:
        NotEnoughImagesError: no image counts.
        UsageError: patches so large that their squares leave the range of float32.
    """
    p, n, c = places.shape
    count = n if rows is None else int(rows.sum())
    if not count:
        raise NotEnoughImagesError("patch moments need at least 1 image, got 0")
    mean, covariance, fourth = np.empty((p, c)), np.empty((p, c, c)), np.empty(p)
    for place in range(p):
        values = places[place] if rows is None else places[place][rows]
        mean[place] = values.mean(axis=0, dtype=np.float64)
        centred = values - mean[place].astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            covariance[place] = (centred.T @ centred) / np.float32(count)
        squares = np.einsum("nc,nc->n", centred, centred, dtype=np.float64)
        fourth[place] = np.square(squares).mean()
    if not np.isfinite(covariance).all():
        largest = float(np.abs(places).max())
        raise UsageError(f"patch features up to {largest:.0e} are too large: scale them down")
    moments = PatchMoments(count, mean, covariance, fourth)
    return _shared(moments) if shared else moments


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
class PatchSums:
    """Sums over a set of images from which its moments follow; sums of subsets can be taken off.

    With z a patch less ``center`` and q its squared length.

    Attributes:
        n: images.
        center: float64 (p, c), the same for all sums that are combined.
        first: float64 (p, c), of z.
        second: float64 (p, c, c), of z z'.
        third: float64 (p, c), of q z.
        squares: float64 (p,), of q.
        fourth: float64 (p,), of q^2.
    """

    n: int
    center: Array
    first: Array
    second: Array
    third: Array
    squares: Array
    fourth: Array

    @classmethod
    def of(cls, places: Floats, rows: Mask, center: Array) -> PatchSums:
        """Sums of the images that count; O(n p c^2) time.

        Args:
            places: see :func:`as_places`, (p, n, c).
            rows: bool (n,).
            center: float64 (p, c), near the mean, as products are of float32.
        """
        p, _, c = places.shape
        first, third, second = np.empty((p, c)), np.empty((p, c)), np.empty((p, c, c))
        squares, fourth = np.empty(p), np.empty(p)
        for place in range(p):
            z = places[place][rows] - center[place].astype(np.float32)
            q = np.einsum("nc,nc->n", z, z, dtype=np.float64)
            second[place] = z.T @ z
            first[place] = z.sum(axis=0, dtype=np.float64)
            third[place] = q @ z
            squares[place], fourth[place] = q.sum(), q @ q
        return cls(int(rows.sum()), center, first, second, third, squares, fourth)

    def without(self, part: PatchSums) -> PatchSums:
        """Sums of the images that are not in a part of them."""
        mine, other = self, part
        return PatchSums(
            mine.n - other.n,
            mine.center,
            mine.first - other.first,
            mine.second - other.second,
            mine.third - other.third,
            mine.squares - other.squares,
            mine.fourth - other.fourth,
        )

    def moments(self, *, shared: bool = False) -> PatchMoments:
        """As :func:`patch_moments` of the same images, but for rounding.

        Raises:
            NotEnoughImagesError: no image counts.
        """
        n = self.n
        if n < 1:
            raise NotEnoughImagesError("patch moments need at least 1 image, got 0")
        apart = self.first / n
        away = np.square(apart).sum(axis=1)
        # |z - a|^2 = q - 2 a'z + |a|^2, squared and summed, with the sum of z being n a.
        along = np.einsum("pi,pij,pj->p", apart, self.second, apart)
        fourth = (
            self.fourth
            + 4.0 * along
            - 4.0 * (apart * self.third).sum(axis=1)
            + 2.0 * away * self.squares
            - 3.0 * n * np.square(away)
        )
        covariance = self.second / n - apart[:, :, None] * apart[:, None, :]
        mean = self.center.astype(np.float32).astype(np.float64) + apart
        found = PatchMoments(n, mean, covariance, np.maximum(fourth / n, 0.0))
        return _shared(found) if shared else found
