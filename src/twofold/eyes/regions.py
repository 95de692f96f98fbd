"""Regions of anomaly maps: connected places that are odd, and which of them are odd enough."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred

if TYPE_CHECKING:
    from scipy import ndimage
else:
    ndimage = deferred("scipy.ndimage")

__all__ = ["RegionScale", "Spot", "find_spots", "region_scale"]

Array = NDArray[np.float64]

# Regions are cut out at the level above which a normal image has one on average: at a higher one
# little would be left to look at, at a lower one neighbours grow together.
_FOUND = 1.0
_LEVELS = 64
# Places that touch at a corner belong together, as a thin slanted scratch does.
_TOUCHING = np.ones((3, 3), dtype=np.bool_)


@dataclass(frozen=True)
class Spot:
    """One region of a map.

    Attributes:
        rows: first row of the grid, and the one behind the last.
        columns: the same of columns.
        places: that belong to it.
        peak: the largest value in it.
    """

    rows: tuple[int, int]
    columns: tuple[int, int]
    places: int
    peak: float


@dataclass(frozen=True)
class RegionScale:
    """What a region's peak means, judged by normal images a fit has not seen.

    Attributes:
        level: places above it make up regions.
        n_images: normal images.
        peaks: of all their regions, descending.
    """

    level: float
    n_images: int
    peaks: tuple[float, ...]

    def threshold(self, rate: float) -> float:
        """A peak that at most ``rate`` regions a normal image exceed, on average over pools.

        One further image is as likely to have a region beyond a peak as those seen; it counts as
        having one more (conformal risk control, Angelopoulos et al. 2022). Where the images are too
        few for the rate, it is the largest peak.

        Args:
            rate: regions an image, > 0.
        """
        spare = math.floor(rate * (self.n_images + 1)) - 1
        if not self.peaks:
            return self.level
        if spare >= len(self.peaks):
            return self.level
        return self.peaks[max(spare, 0)]

    def supports(self, rate: float) -> bool:
        """Whether the images are enough for the rate."""
        return rate * (self.n_images + 1) >= 1

    def to_array(self) -> Array:
        """Everything, float64 (2 + peaks,)."""
        return np.array([self.level, self.n_images, *self.peaks], dtype=np.float64)

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> RegionScale:
        """Inverse of :meth:`to_array`.

        Raises:
            ValueError: it is not that of a scale.
        """
        if array.ndim != 1 or len(array) < 2 or not np.isfinite(array.astype(np.float64)).all():
            raise ValueError("a scale of regions is a row of finite numbers")
        level, n_images, *peaks = (float(value) for value in array)
        ordered = all(one >= other for one, other in itertools.pairwise(peaks))
        if n_images < 1 or n_images != round(n_images) or not ordered:
            raise ValueError(f"a scale of regions of {n_images} images with peaks out of order")
        return cls(level, round(n_images), tuple(peaks))


def find_spots(grid: Array, level: float) -> tuple[Spot, ...]:
    """Connected regions of places above a level, the oddest first.

    Args:
        grid: float64 (g, h), one map.
        level: places equal to it do not count.
    """
    labels, n = ndimage.label(grid > level, structure=_TOUCHING)
    if not n:
        return ()
    index = np.arange(1, n + 1)
    peaks = ndimage.maximum(grid, labels, index)
    places = np.bincount(labels.ravel(), minlength=n + 1)[1:]
    spots = [
        Spot((down.start, down.stop), (right.start, right.stop), int(size), float(top))
        for (down, right), size, top in zip(
            ndimage.find_objects(labels), places, peaks, strict=True
        )
    ]
    return tuple(sorted(spots, key=lambda spot: -spot.peak))


def region_scale(maps: Array) -> RegionScale:
    """The scale of the out-of-sample maps of presumed normals.

    Args:
        maps: float64 (n, g, h), n >= 1.
    """
    n = len(maps)
    # Places within an image touch, those of two images do not.
    structure = np.zeros((3, 3, 3), dtype=np.bool_)
    structure[1] = _TOUCHING
    ordered = np.sort(maps, axis=None)
    # From the largest value down to some ten places an image.
    last = min(len(ordered), 20 * n)
    steps = np.unique(np.geomspace(1, last, _LEVELS).astype(int))
    level = float(ordered[-1])
    for step in steps:
        candidate = float(ordered[-step])
        if ndimage.label(maps > candidate, structure=structure)[1] > _FOUND * n:
            break
        level = candidate
    labels, count = ndimage.label(maps > level, structure=structure)
    if not count:
        return RegionScale(level, n, ())
    peaks = np.sort(ndimage.maximum(maps, labels, np.arange(1, count + 1)))
    return RegionScale(level, n, tuple(float(peak) for peak in peaks[::-1]))
