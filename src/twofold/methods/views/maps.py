"""Anomaly maps on one scale for all images of a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Scale, evenly, scale_of
from twofold.eyes import RegionScale, only_looked_at, region_scale
from twofold.thresholds import fit_tail

__all__ = ["Grid", "MapScale", "map_scale", "pool_map_scale"]

Array = NDArray[np.float64]
Grid = tuple[int, int]
Mask = NDArray[np.bool_]

# Of a hundred normal images one has a patch beyond the upper end of the colours' first half.
_RARE = 0.99
# Images whose maps make up a scale: ten thousand know one in a hundred, and one region in as many
# images as there are, as well as more would. Several copies of their maps are made.
_MOST = 10_000
# Below this part of a median image's mean distance, a logarithm is one of rounding: patches of a
# blank background lie there, and would otherwise make up the scale.
_BLANK = 0.01


@dataclass(frozen=True)
class MapScale:
    """What a patch's distance means, judged by normal images a fit has not seen.

    Attributes:
        scale: of all patches that are not blank.
        low: standardised distance of the oddest patch of a median normal image.
        high: where colours are fully red. The largest patch distance is below the middle between
            ``low`` and ``high`` for 99 of 100 normal images.
        floor: distances below it, those of a blank background, count as this.
        regions: what regions of normal maps are like.
    """

    scale: Scale
    low: float
    high: float
    floor: float
    regions: RegionScale

    def standardise(self, distances: Array, grid: Grid) -> Array:
        """Distances (n, p) as maps (n, g, h), in spreads of normal patches above their median."""
        return _standardised(distances, grid, self.scale, self.floor)

    def to_array(self) -> Array:
        """The five numbers, and the regions behind them, float64 (n,)."""
        scale = self.scale
        own = [scale.center, scale.spread, self.low, self.high, self.floor]
        return np.concatenate([own, self.regions.to_array()])

    @classmethod
    def from_array(cls, array: NDArray[np.generic]) -> MapScale:
        """Inverse of :meth:`to_array`.

        Raises:
            ValueError: not finite numbers with a positive spread and a range.
        """
        if array.ndim != 1 or not np.isfinite(array.astype(np.float64)).all():
            raise ValueError("a map scale is a row of finite numbers")
        center, spread, low, high, floor = (float(value) for value in array[:5])
        if spread <= 0 or low >= high:
            raise ValueError(f"a map scale of spread {spread} and range {low} to {high}")
        return cls(Scale(center, spread), low, high, floor, RegionScale.from_array(array[5:]))


def _some(
    distances: Array, looked_at: Mask | None, rows: NDArray[np.intp] | None = None
) -> tuple[Array, Mask | None]:
    """Those of some images, all by default; of more than enough evenly spread ones."""
    rows = np.arange(len(distances)) if rows is None else rows
    if len(rows) > _MOST:
        rows = rows[evenly(len(rows), _MOST)]
    elif len(rows) == len(distances):
        return distances, looked_at
    return distances[rows], None if looked_at is None else looked_at[rows]


def map_scale(distances: Array, grid: Grid, looked_at: Mask | None = None) -> MapScale:
    """The scale of out-of-sample patch distances of presumed normals.

    Args:
        distances: float64 (n, p), n >= 1, none negative.
        grid: places down and across.
        looked_at: bool (n, p), patches that count, some of each image; None for all.
    """
    distances, looked_at = _some(distances, looked_at)
    means = distances.mean(axis=1)
    if looked_at is not None:
        distances = only_looked_at(distances, looked_at)
        means = distances.sum(axis=1) / looked_at.sum(axis=1)
    floor = _BLANK * float(np.median(means))
    told_apart = distances[distances > floor]
    # Nothing but copies: any scale will do.
    scale = scale_of(told_apart if len(told_apart) else distances.ravel())
    maps = _standardised(distances, grid, scale, floor)
    peaks = maps.max(axis=(1, 2))
    low, rare = (float(value) for value in np.quantile(peaks, (0.5, _RARE)))
    # Copies all peak alike; colours still need a range of a spread.
    high = rare + max(rare - low, 1.0)
    return MapScale(scale, low, high, floor, region_scale(maps))


def _standardised(distances: Array, grid: Grid, scale: Scale, floor: float) -> Array:
    """Distances (n, p) as maps (n, g, h)."""
    return scale.standardise(np.maximum(distances, floor)).reshape(-1, *grid)


def pool_map_scale(distances: Array, grid: Grid, looked_at: Mask | None = None) -> MapScale:
    """A scale from a contaminated pool, whose oddest images count for as much as normals could.

    Of the peaks, those beyond the bound on the normals' tail are left out (see
    :func:`twofold.thresholds.fit_tail`): a colour is no promise, and one scale for normals and
    anomalies alike would leave no colour for either.

    Args:
        distances: float64 (n, p), out of sample, n >= 1.
        grid: places down and across.
        looked_at: bool (n, p), patches that count, some of each image; the others are at 0.
    """
    peaks = np.log(np.maximum(distances.max(axis=1), 1e-300))
    order = np.argsort(peaks, kind="stable")
    tail = fit_tail(peaks[order], np.ones(len(peaks)), least=0.0)
    if tail is None:
        return map_scale(distances, grid, looked_at)
    usual = peaks <= tail.quantile(1.0 - _RARE)
    found, shown = _some(distances, looked_at, np.flatnonzero(usual))
    return map_scale(found, grid, shown)
