"""What a set of images contributes to a fit of patch Gaussians: moments of each place."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError, UsageError
from twofold.threads import in_parts

__all__ = [
    "TOGETHER",
    "PatchMoments",
    "PatchParts",
    "PatchSums",
    "as_places",
    "patch_moments",
]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]

TOGETHER = 4
"""Places that are worked on at a time: few enough for their matrices to stay in a core's cache, and
enough that threads seldom wait for each other."""


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

    def some(at: slice) -> PatchMoments:
        values = places[at] if rows is None else _chosen(places[at], rows)
        mean = values.mean(axis=1, dtype=np.float64)
        z = values - mean[:, None].astype(np.float32)
        second = (_second(z) / np.float32(count)).astype(np.float64)
        return PatchMoments(count, mean, second, np.square(_squares(z)).mean(axis=1))

    moments = PatchMoments.gathered(count, p, c, some)
    # A square that is too large for float32 makes the mean of all infinite, or no number.
    if not np.isfinite(moments.typical.covariance).all():
        largest = float(np.abs(places).max())
        raise UsageError(f"patch features up to {largest:.0e} are too large: scale them down")
    return _shared(moments) if shared else moments


def _chosen(places: Floats, rows: Mask) -> Floats:
    """Some images (k, r, c) of places (k, n, c); rows are copied as wholes."""
    return places.take(np.flatnonzero(rows), axis=1)


def _second(z: Floats) -> Floats:
    """Sums over the rows of each place (k, n, c) of z z', (k, c, c)."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.matmul(z.transpose(0, 2, 1), z))


def _squares(z: Floats) -> Array:
    """Squared lengths of rows (k, n, c), float64 (k, n); of many terms as exact as the terms."""
    with np.errstate(over="ignore", invalid="ignore"):
        return np.asarray(np.einsum("pnc,pnc->pn", z, z).astype(np.float64))


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
        z = _chosen(places, rows) - center[:, None].astype(np.float32)
        q = _squares(z)
        return cls(
            int(rows.sum()),
            center,
            z.sum(axis=1, dtype=np.float64),
            _second(z).astype(np.float64),
            np.matmul(q[:, None].astype(np.float32), z)[:, 0].astype(np.float64),
            q.sum(axis=1),
            np.square(q).sum(axis=1),
        )

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

    def moments(self) -> PatchMoments:
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
        along = (np.matmul(self.second, apart[:, :, None])[:, :, 0] * apart).sum(axis=1)
        fourth = (
            self.fourth
            + 4.0 * along
            - 4.0 * (apart * self.third).sum(axis=1)
            + 2.0 * away * self.squares
            - 3.0 * n * np.square(away)
        )
        covariance = self.second / n
        covariance -= apart[:, :, None] * apart[:, None, :]
        mean = self.center.astype(np.float32).astype(np.float64) + apart
        return PatchMoments(n, mean, covariance, np.maximum(fourth / n, 0.0))


@dataclass(frozen=True)
class PatchParts:
    """Some images of a pool, of which moments without others are found by taking sums off.

    Attributes:
        places: of the pool, float32 (p, n, c).
        rows: the images, bool (n,).
        sums: theirs, of ``TOGETHER`` places each.
    """

    places: Floats
    rows: Mask
    sums: list[PatchSums]

    @classmethod
    def of(cls, places: Floats, rows: Mask) -> PatchParts:
        """Sums around their means; O(n p c^2) time."""

        def some(at: slice) -> PatchSums:
            center = _chosen(places[at], rows).mean(axis=1, dtype=np.float64)
            return PatchSums.of(places[at], rows, center)

        return cls(places, rows, in_parts(len(places), TOGETHER, some))

    def without(self, others: Mask, *, shared: bool = False) -> PatchMoments:
        """As :func:`patch_moments` of the images that are no others, bool (n,), but for rounding.

        O(k p c^2) time for k images that are among the others.

        Raises:
            NotEnoughImagesError: no image is left.
        """
        p, _, c = self.places.shape
        taken = self.rows & others

        def some(at: slice) -> PatchMoments:
            whole: PatchSums = self.sums[at.start // TOGETHER]
            return whole.without(PatchSums.of(self.places[at], taken, whole.center)).moments()

        n = int((self.rows & ~others).sum())
        found = PatchMoments.gathered(n, p, c, some)
        return _shared(found) if shared else found
