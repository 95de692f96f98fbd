"""From the patches of an image to its score: the oddest, the peak, or regions of any size."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Scale, scale_of
from twofold.eyes import TOP_PLACES, only_looked_at, top_mean

__all__ = ["WINDOWS", "ImageScore", "Pooling", "fit_pooling", "largest_means"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

ImageScore = Literal["oddest", "peak", "size"]
"""Mean of the three oddest patches; the oddest; or the window that is odd for its size."""

WINDOWS = (1, 2, 4, 8)
"""Sides in places of the windows that are scanned, octaves apart."""


@dataclass(frozen=True)
class Pooling:
    """How patches make up a score.

    Attributes:
        kind: see :data:`ImageScore`.
        scales: of ``size``: for each window what its largest mean is on normal images, judged by
            images that a fit has not seen.
    """

    kind: ImageScore = "oddest"
    scales: tuple[Scale, ...] = ()

    @property
    def oddest(self) -> int | None:
        """How many of the oddest patches make up the score; None: windows do."""
        return {"oddest": TOP_PLACES, "peak": 1, "size": None}[self.kind]

    def scores(self, distances: Array, grid: tuple[int, int], looked_at: Mask | None) -> Array:
        """Scores of images, float64 (n,), none negative.

        Args:
            distances: squared distances of patches, float64 (n, g * h).
            grid: places down and across.
            looked_at: bool (n, g * h), patches that count; None for all.
        """
        if self.oddest is not None:
            return top_mean(distances, self.oddest, looked_at)
        means = _means(distances, grid, looked_at)
        found = [scale.standardise(mean) for scale, mean in zip(self.scales, means.T, strict=True)]
        # Back from logarithms, on which all scores of patches are judged.
        return np.asarray(np.exp(np.max(found, axis=0)))

    def to_array(self) -> Array:
        """The scales, float64 (k, 2)."""
        return np.array([[scale.center, scale.spread] for scale in self.scales]).reshape(-1, 2)

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> Pooling:
        """Inverse of :meth:`to_array`, for ``size``.

        Raises:
            ValueError: not finite numbers with positive spreads.
        """
        if array.ndim != 2 or array.shape[1] != 2 or not 0 < len(array) <= len(WINDOWS):
            raise ValueError(f"scales of windows of shape {array.shape}")
        if not np.isfinite(array).all() or not (array[:, 1] > 0).all():
            raise ValueError("scales of windows are finite, with positive spreads")
        return cls("size", tuple(Scale(float(center), float(spread)) for center, spread in array))


def fit_pooling(
    kind: ImageScore, distances: Array, grid: tuple[int, int], looked_at: Mask | None
) -> Pooling:
    """A pooling for out-of-sample distances of a pool, most of whose images are normal.

    Of ``size``: a scan over windows (Kulldorff 1997, for squared distances): of each size the
    largest mean is brought to the scale that it has on the pool, and the oddest of them counts.
    Small windows are noisier, and their own scale says by how much.

    Args:
        kind: of pooling.
        distances: float64 (n, g * h).
        grid: places down and across.
        looked_at: bool (n, g * h), patches that count; None for all.
    """
    if kind != "size":
        return Pooling(kind)
    means = _means(distances, grid, looked_at)
    return Pooling(kind, tuple(scale_of(mean) for mean in means.T))


def _means(distances: Array, grid: tuple[int, int], looked_at: Mask | None) -> Array:
    """The largest means of the patches that count, float64 (n, k)."""
    return largest_means(only_looked_at(distances, looked_at).reshape(-1, *grid))


def largest_means(maps: Array) -> Array:
    """The largest mean over square windows of each size that fits, float64 (n, k).

    Args:
        maps: float64 (n, g, h).
    """
    n, rows, columns = maps.shape
    sums = np.zeros((n, rows + 1, columns + 1))
    np.cumsum(np.cumsum(maps, axis=1), axis=2, out=sums[:, 1:, 1:])
    found = []
    for side in WINDOWS:
        if side > min(rows, columns):
            break
        inside = (
            sums[:, side:, side:]
            - sums[:, :-side, side:]
            - sums[:, side:, :-side]
            + sums[:, :-side, :-side]
        )
        found.append(inside.max(axis=(1, 2)) / side**2)
    # Differences of sums leave rounding behind where all is zero.
    return np.asarray(np.maximum(np.stack(found, axis=1), 0.0))
