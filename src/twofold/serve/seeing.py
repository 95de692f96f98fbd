"""What is answered of images: the detector's own row, regions, and a map if one is asked for."""

from __future__ import annotations

import base64
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.detector import Detector
from twofold.detector.portions import Portion
from twofold.detector.regions import Region, grid_regions
from twofold.detector.scores import ROW_FIELDS
from twofold.errors import ImageError
from twofold.images import ImageSet
from twofold.report.looking import small_grid
from twofold.report.pictures import as_text
from twofold.web.pictures import map_picture

__all__ = ["Job", "MapKind", "RegionsOf", "see", "warm_up"]

MapKind = Literal["none", "png", "grid"]
"""No map; colours to be laid over the image; numbers from 0 to 255, as the page draws them."""
RegionsOf = Literal["none", "anomalous", "all"]
"""Of which images regions are told. A map takes as long as a score, and most images are normal."""

Row = dict[str, Any]
# The longer side in pixels of a picture for the page: what a card of the report has at most.
_PICTURE_SIDE = 320
# As many as one image shows on a screen; of a map of noise there would be hundreds.
_MOST_REGIONS = 50


@dataclass(frozen=True)
class Job:
    """One image, and what is asked of it.

    Attributes:
        content: of the file.
        regions: see :data:`RegionsOf`.
        map: see :data:`MapKind`.
        picture: a small picture of the image as it was decoded.
    """

    content: bytes
    regions: RegionsOf = "anomalous"
    map: MapKind = "none"
    picture: bool = False

    def needs_grid(self, *, anomalous: bool) -> bool:
        """Whether a map has to be made, once it is known how the image was judged."""
        if self.map != "none" or self.regions == "all":
            return True
        return anomalous and self.regions == "anomalous"

    def wants_regions(self, *, anomalous: bool) -> bool:
        """Whether regions are told."""
        return self.regions == "all" or (anomalous and self.regions == "anomalous")


def see(
    detector: Detector,
    jobs: Sequence[Job],
    max_pixels: int,
    each: Callable[[Portion], None] | None = None,
) -> list[Row]:
    """Judge images, each as if it were alone; nothing of them is kept anywhere.

    Args:
        detector: fitted.
        jobs: at least one.
        max_pixels: of an image; one with more is answered with a problem and not decoded.
        each: called with what was seen of the usable ones.

    Returns:
        For each job a row: ``score``, ``percentile``, ``p_value``, ``anomalous`` and ``problem`` as
        :meth:`twofold.detector.scores.Scores.rows` has them; ``width``, ``height``, ``regions``,
        ``map`` and ``picture``, None where they are not asked for or there is none.
    """
    images = ImageSet.from_contents(job.content for job in jobs).at_depth(detector.bit_depth_)
    sizes = [_size(images, place) for place in range(len(images))]
    small = [place for place, size in enumerate(sizes) if size[0] * size[1] <= max_pixels]
    rows = [_too_large(size, max_pixels) for size in sizes]
    if not small:
        return rows
    grids: dict[int, NDArray[np.float64]] = {}

    def look(found: ImageSet, portion: Portion) -> None:
        del found
        if len(portion.rows):
            grids.update(_grids(detector, [jobs[place] for place in small], portion))
            if each is not None:
                each(portion)

    scores = detector.examine(images.subset(small), look, with_maps=False)
    for index, (place, row) in enumerate(zip(small, scores.rows(), strict=True)):
        del row["image"]
        rows[place] = row | _shown(detector, jobs[place], row, sizes[place], grids.get(index))
        if jobs[place].picture and row["problem"] is None:
            rows[place]["picture"] = _picture(images, place)
    return rows


def _grids(
    detector: Detector, jobs: Sequence[Job], portion: Portion
) -> dict[int, NDArray[np.float64]]:
    """The maps that are needed, by row."""
    if not detector.method_.config.has_maps():
        return {}
    anomalous = portion.scores > detector.threshold_.value
    wanted = [
        index
        for index, row in enumerate(portion.rows.tolist())
        if jobs[row].needs_grid(anomalous=bool(anomalous[index]))
    ]
    if not wanted:
        return {}
    found = detector.method_.anomaly_map(portion.encoded.subset(np.array(wanted)))
    return dict(zip(portion.rows[wanted].tolist(), found, strict=True))


def warm_up(detector: Detector) -> None:
    """Do now what would be done with the first image alone: compile, and load decoders."""
    detector.warm_up()
    noise, file = detector.example(), BytesIO()
    Image.fromarray(noise).save(file, "PNG")
    (row,) = see(detector, [Job(file.getvalue(), map="png", picture=True)], noise.size)
    assert row["problem"] is None


def _size(images: ImageSet, place: int) -> tuple[int, int]:
    """Width and height in pixels; 0 of what is no image, about which the detector says more."""
    try:
        header = images.header(place)
    except ImageError:
        return 0, 0
    return (0, 0) if header is None else (header.width, header.height)


def _too_large(size: tuple[int, int], most: int) -> Row:
    problem = f"{size[0]} x {size[1]} pixels: more than the limit of {most} of this service"
    return {
        **dict.fromkeys(ROW_FIELDS[1:]),
        **dict.fromkeys(("width", "height", "regions", "map", "picture")),
        "problem": problem,
    }


def _shown(
    detector: Detector,
    job: Job,
    judged: Row,
    size: tuple[int, int],
    grid: NDArray[np.float64] | None,
) -> Row:
    """What is told of an image besides its score."""
    row: Row = dict.fromkeys(("width", "height", "regions", "map", "picture"))
    if judged["problem"] is not None:
        return row
    row["width"], row["height"] = size
    if grid is None:
        return row
    if job.wants_regions(anomalous=judged["anomalous"] == 1):
        scale, rate = detector.method_.region_scale(), detector.false_alarm_rate
        found = grid_regions(grid, size, scale, rate)[:_MOST_REGIONS]
        row["regions"] = [_region(region) for region in found]
    low, high = detector.method_.map_range()
    if job.map == "png":
        picture = map_picture(size, grid, low, high)
        row["map"] = {"kind": "png", "data": base64.b64encode(picture.content).decode("ascii")}
    elif job.map == "grid":
        small = small_grid(grid, low, high)
        text = base64.b64encode(small.tobytes()).decode("ascii")
        row["map"] = {"kind": "grid", "rows": small.shape[0], "columns": small.shape[1]}
        row["map"]["data"] = text
    return row


def _region(region: Region) -> Row:
    """In plain values."""
    return {
        "x": region.x,
        "y": region.y,
        "width": region.width,
        "height": region.height,
        "area": region.area,
        "peak": float(region.peak),
        "anomalous": bool(region.anomalous),
    }


def _picture(images: ImageSet, place: int) -> str | None:
    try:
        return as_text(images.load(place).decode(_PICTURE_SIDE), _PICTURE_SIDE)
    except ImageError:
        return None
