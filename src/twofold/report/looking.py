"""Everything that a report shows of images, gathered in one pass over them."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from twofold.densities import power_normalise
from twofold.detector import Detector
from twofold.detector.portions import Portion
from twofold.detector.scores import Scores
from twofold.eyes import RegionScale, find_spots
from twofold.images import ImageInput, ImageSet

__all__ = ["Box", "Look", "look", "small_grid"]

MAP_SIDE = 40
"""Places of a kept map along a side; finer maps keep the largest value of each block."""
_MOST_BOXES = 8

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Box:
    """A region of an image; edges as fractions of its width and height.

    Attributes:
        x: left edge.
        y: top edge.
        width: of the box.
        height: of the box.
        anomalous: whether its peak is beyond the threshold for regions.
    """

    x: float
    y: float
    width: float
    height: float
    anomalous: bool

    def edges(self) -> tuple[float, float, float, float]:
        """Left, top, width and height."""
        return self.x, self.y, self.width, self.height


@dataclass(frozen=True, eq=False)
class Look:
    """What was seen of a set of images.

    Attributes:
        images: as found.
        scores: of all of them.
        vectors: float32 (n, d), power-normalised pooled vectors; zeros of an unusable image.
        digests: sha256 of each usable image, by row.
        grids: uint8 (g, h), the map of an image by row, 0 where it shows nothing and 255 from the
            upper end of the colours on; empty without maps.
        boxes: by row, the oddest first.
    """

    images: ImageSet
    scores: Scores
    vectors: NDArray[np.float32]
    digests: dict[int, str]
    grids: dict[int, NDArray[np.uint8]]
    boxes: dict[int, tuple[Box, ...]]


@dataclass
class _Gathering:
    """Portions as they come."""

    colours: tuple[float, float] | None
    scale: RegionScale | None
    rate: float
    images: ImageSet | None = None
    vectors: NDArray[np.float32] | None = None
    digests: dict[int, str] = field(default_factory=dict)
    grids: dict[int, NDArray[np.uint8]] = field(default_factory=dict)
    boxes: dict[int, tuple[Box, ...]] = field(default_factory=dict)

    def __call__(self, images: ImageSet, portion: Portion) -> None:
        self.images = images
        if not len(portion.rows):
            return
        found = power_normalise(portion.encoded["pooled"]).astype(np.float32)
        if self.vectors is None:
            self.vectors = np.zeros((len(images), found.shape[1]), dtype=np.float32)
        self.vectors[portion.rows] = found
        self.digests |= zip(portion.rows.tolist(), portion.encoded.digests, strict=True)
        if portion.grids is None or self.colours is None or self.scale is None:
            return
        for row, grid in zip(portion.rows.tolist(), portion.grids, strict=True):
            self.grids[row] = small_grid(grid, *self.colours)
            self.boxes[row] = _boxes(grid, self.scale, self.rate)


def look(detector: Detector, images: ImageInput) -> Look:
    """Score images and keep what a report shows of them.

    Args:
        detector: fitted.
        images: to judge.

    Raises:
        NotFittedError: before ``fit``.
        ImageSourceError: there are no images.
    """
    detector._require_fitted()
    method = detector.method_
    with_maps = method.config.has_maps()
    gathering = _Gathering(
        method.map_range() if with_maps else None,
        method.region_scale() if with_maps else None,
        detector.false_alarm_rate,
    )
    scores = detector.examine(images, gathering)
    assert gathering.images is not None
    empty = np.zeros((len(scores.names), 0), dtype=np.float32)
    return Look(
        gathering.images,
        scores,
        empty if gathering.vectors is None else gathering.vectors,
        gathering.digests,
        gathering.grids,
        gathering.boxes,
    )


def small_grid(grid: Array, low: float, high: float) -> NDArray[np.uint8]:
    """A map of at most 40 x 40 places in 256 steps.

    Args:
        grid: float64 (g, h).
        low: up to here 0.
        high: from here on 255.

    Returns:
        uint8, 255 times the root of the part of the way, as pictures of maps are coloured; of finer
        maps the largest value of each block, so that a small hot place stays.
    """
    step = max(1, -(-max(grid.shape) // MAP_SIDE))
    rows, columns = (-(-side // step) for side in grid.shape)
    padded = np.full((rows * step, columns * step), -np.inf)
    padded[: grid.shape[0], : grid.shape[1]] = grid
    blocks = padded.reshape(rows, step, columns, step).max(axis=(1, 3))
    heat = np.clip((blocks - low) / (high - low), 0.0, 1.0)
    return np.asarray(np.rint(255.0 * np.sqrt(heat)), dtype=np.uint8)


def _boxes(grid: Array, scale: RegionScale, rate: float) -> tuple[Box, ...]:
    rows, columns = grid.shape
    threshold = scale.threshold(rate)
    return tuple(
        Box(
            spot.columns[0] / columns,
            spot.rows[0] / rows,
            (spot.columns[1] - spot.columns[0]) / columns,
            (spot.rows[1] - spot.rows[0]) / rows,
            spot.peak > threshold,
        )
        for spot in find_spots(grid, scale.level)[:_MOST_BOXES]
    )
