"""Where in an image something is odd: boxes in its own pixels, and which of them are alarms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.detector.maps import ImageMap
from twofold.errors import ConfigError
from twofold.eyes import RegionScale, Spot, find_spots
from twofold.images import Problem
from twofold.spreadsheet import csv_text

__all__ = [
    "ImageRegions",
    "Region",
    "check_region_rate",
    "coco",
    "grid_regions",
    "image_regions",
    "regions_csv",
]

_FIELDS = ("image", "x", "y", "width", "height", "area", "peak", "anomalous", "problem")


@dataclass(frozen=True)
class Region:
    """A connected part of an image that is odd.

    Attributes:
        x: left edge of its box, in pixels of the image.
        y: top edge.
        width: of the box.
        height: of the box.
        area: of the region itself, in pixels; in steps of the map's places.
        peak: the largest value of the map in it.
        anomalous: whether the peak is beyond the threshold for regions.
    """

    x: int
    y: int
    width: int
    height: int
    area: int
    peak: float
    anomalous: bool


@dataclass(frozen=True)
class ImageRegions:
    """The regions of one image, the oddest first, or why there are none.

    Attributes:
        row: among the images as given.
        name: of the image.
        size: width and height in pixels; None where it is unusable.
        regions: that stand out as much as the oddest of a normal image, or more.
        problem: why it is unusable.
    """

    row: int
    name: str
    size: tuple[int, int] | None = None
    regions: tuple[Region, ...] = ()
    problem: Problem | None = None


def check_region_rate(rate: object) -> float:
    """A stated number of false regions an image.

    Raises:
        ConfigError: not a positive number.
    """
    if isinstance(rate, bool) or not isinstance(rate, int | float) or not 0 < rate < float("inf"):
        raise ConfigError(f"region_rate must be a positive number, not {rate!r}")
    return float(rate)


def image_regions(item: ImageMap, scale: RegionScale, rate: float) -> ImageRegions:
    """The regions of a map.

    Args:
        item: the map of one image.
        scale: of the maps of normal images.
        rate: false regions an image that are called anomalous, on average.
    """
    if item.image is None or item.grid is None:
        return ImageRegions(item.row, item.name, problem=item.problem)
    size = item.image.size
    return ImageRegions(item.row, item.name, size, grid_regions(item.grid, size, scale, rate))


def grid_regions(
    grid: NDArray[np.float64], size: tuple[int, int], scale: RegionScale, rate: float
) -> tuple[Region, ...]:
    """The regions of a map as the method makes it, the oddest first.

    Args:
        grid: float64 (g, h), larger = more anomalous.
        size: width and height of the image in pixels.
        scale: of the maps of normal images.
        rate: false regions an image that are called anomalous, on average.
    """
    threshold, places = scale.threshold(rate), (grid.shape[1], grid.shape[0])
    return tuple(_region(spot, size, places, threshold) for spot in find_spots(grid, scale.level))


def _region(spot: Spot, size: tuple[int, int], places: tuple[int, int], threshold: float) -> Region:
    """A region in pixels; places and size are (across, down)."""
    (left, right), (top, bottom) = (
        (edges[0] * length // n, -(-edges[1] * length // n))
        for edges, length, n in zip((spot.columns, spot.rows), size, places, strict=True)
    )
    area = spot.places * size[0] * size[1] / (places[0] * places[1])
    return Region(
        left, top, right - left, bottom - top, max(1, round(area)), spot.peak, spot.peak > threshold
    )


def regions_csv(found: Sequence[ImageRegions]) -> str:
    """A row each region; of an image that is unusable one with the reason."""
    rows: list[list[str | float | int | None]] = []
    for item in found:
        if item.problem is not None:
            rows.append([item.name, *[None] * 7, item.problem.reason])
        for box in item.regions:
            values = (box.x, box.y, box.width, box.height, box.area, box.peak, int(box.anomalous))
            rows.append([item.name, *values, None])
    return csv_text(_FIELDS, rows)


def coco(found: Sequence[ImageRegions]) -> dict[str, object]:
    """As COCO's detections: images, annotations and one category, plain JSON content.

    An annotation has besides COCO's fields its ``score``, the peak, and ``anomalous``.
    """
    images: list[dict[str, object]] = []
    annotations: list[dict[str, object]] = []
    for item in found:
        if item.size is None:
            continue
        width, height = item.size
        images.append({"id": item.row, "file_name": item.name, "width": width, "height": height})
        for box in item.regions:
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": item.row,
                    "category_id": 1,
                    "bbox": [box.x, box.y, box.width, box.height],
                    "area": box.area,
                    "iscrowd": 0,
                    "score": box.peak,
                    "anomalous": box.anomalous,
                }
            )
    categories = [{"id": 1, "name": "odd region"}]
    return {"images": images, "annotations": annotations, "categories": categories}
