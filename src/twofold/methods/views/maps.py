"""Anomaly maps on one scale for all images of a detector."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.methods.views.scale import Scale, scale_of
from twofold.thresholds import fit_tail

__all__ = ["MapScale", "map_scale", "pool_map_scale"]

Array = NDArray[np.float64]

# Of a hundred normal images one has a patch beyond the upper end of the colours' first half.
_RARE = 0.99
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
    """

    scale: Scale
    low: float
    high: float
    floor: float

    def standardise(self, distances: Array) -> Array:
        """Distances (n, p) as maps (n, g, g), in spreads of normal patches above their median."""
        side = round(distances.shape[1] ** 0.5)
        floored = np.maximum(distances, self.floor)
        return self.scale.standardise(floored).reshape(-1, side, side)

    def to_array(self) -> Array:
        """The five numbers, float64 (5,)."""
        scale = self.scale
        return np.array([scale.center, scale.spread, self.low, self.high, self.floor])

    @classmethod
    def from_array(cls, array: NDArray[np.generic]) -> MapScale:
        """Inverse of :meth:`array`.

        Raises:
            ValueError: not five finite numbers with a positive spread and a range.
        """
        if array.shape != (5,) or not np.isfinite(array.astype(np.float64)).all():
            raise ValueError("a map scale is five finite numbers")
        center, spread, low, high, floor = (float(value) for value in array)
        if spread <= 0 or low >= high:
            raise ValueError(f"a map scale of spread {spread} and range {low} to {high}")
        return cls(Scale(center, spread), low, high, floor)


def map_scale(distances: Array) -> MapScale:
    """The scale of out-of-sample patch distances of presumed normals.

    Args:
        distances: float64 (n, p), n >= 1, none negative.
    """
    floor = _BLANK * float(np.median(distances.mean(axis=1)))
    told_apart = distances[distances > floor]
    # Nothing but copies: any scale will do.
    scale = scale_of(told_apart if len(told_apart) else distances.ravel())
    peaks = scale.standardise(np.maximum(distances, floor)).max(axis=1)
    low, rare = (float(value) for value in np.quantile(peaks, (0.5, _RARE)))
    # Copies all peak alike; colours still need a range of a spread.
    return MapScale(scale, low, rare + max(rare - low, 1.0), floor)


def pool_map_scale(distances: Array) -> MapScale:
    """A scale from a contaminated pool, whose oddest images count for as much as normals could.

    Of the peaks, those beyond the bound on the normals' tail are left out (see
    :func:`twofold.thresholds.fit_tail`): a colour is no promise, and one scale for normals and
    anomalies alike would leave no colour for either.

    Args:
        distances: float64 (n, p), out of sample, n >= 1.
    """
    peaks = np.log(np.maximum(distances.max(axis=1), 1e-300))
    order = np.argsort(peaks, kind="stable")
    tail = fit_tail(peaks[order], np.ones(len(peaks)), least=0.0)
    if tail is None:
        return map_scale(distances)
    return map_scale(distances[peaks <= tail.quantile(1.0 - _RARE)])
