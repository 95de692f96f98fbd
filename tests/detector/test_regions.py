"""`Detector.regions`: boxes in the pixels of images of any size."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from twofold import Detector
from twofold.detector.maps import ImageMap
from twofold.detector.regions import coco, image_regions, regions_csv
from twofold.errors import ConfigError, NotFittedError
from twofold.eyes import RegionScale
from twofold.images import Problem


def mapped(size: tuple[int, int], *, name: str = "a.png") -> ImageMap:
    grid = np.zeros((4, 8))
    grid[1, 2:4], grid[3, 7] = (3.0, 2.0), 9.0
    return ImageMap(5, name, Image.new("RGB", size), grid)


SCALE = RegionScale(1.0, 99, (5.0, 4.0))


@pytest.mark.parametrize(
    ("size", "boxes"),
    [
        ((80, 40), [(70, 30, 10, 10, 100), (20, 10, 20, 10, 200)]),
        # Boxes never leave an image, and cover every pixel that a place stands for.
        ((13, 5), [(11, 3, 2, 2, 2), (3, 1, 4, 2, 4)]),
        ((3, 2), [(2, 1, 1, 1, 1), (0, 0, 2, 1, 1)]),
    ],
    ids=str,
)
def test_places_as_pixels(size: tuple[int, int], boxes: list[tuple[int, ...]]) -> None:
    found = image_regions(mapped(size), SCALE, 0.02)
    assert [(r.x, r.y, r.width, r.height, r.area) for r in found.regions] == boxes
    assert [(r.peak, r.anomalous) for r in found.regions] == [(9.0, True), (3.0, False)]
    assert (found.row, found.name, found.size) == (5, "a.png", size)


def test_an_image_that_cannot_be_read_is_a_row_with_its_reason() -> None:
    bad = ImageMap(1, "b.png", problem=Problem("b.png", "cut off"))
    found = [image_regions(bad, SCALE, 0.1), image_regions(mapped((80, 40)), SCALE, 0.02)]
    lines = regions_csv(found).splitlines()
    assert lines[1] == "b.png,,,,,,,,cut off"
    assert lines[2] == "a.png,70,30,10,10,100,9.0,1,"
    assert len(lines) == 4
    content = coco(found)
    assert [image["id"] for image in content["images"]] == [5]  # type: ignore[attr-defined]


def test_a_name_is_no_formula() -> None:
    found = [image_regions(mapped((80, 40), name="=1+1.png"), SCALE, 0.1)]
    assert regions_csv(found).splitlines()[1].startswith("'=1+1.png,")


def test_of_a_detector(fitted: Detector, world) -> None:  # type: ignore[no-untyped-def]
    found = list(fitted.regions(world.test[:6], region_rate=0.5))
    assert [item.row for item in found] == list(range(6))
    assert all(item.size == (64, 64) for item in found)
    threshold = fitted.method_.region_scale().threshold(0.5)
    for item in found:
        for region in item.regions:
            assert region.anomalous == (region.peak > threshold)


@pytest.mark.parametrize("rate", [0, -1.0, float("inf"), "1", True])
def test_no_such_rate(fitted: Detector, rate: object) -> None:
    with pytest.raises(ConfigError, match="region_rate"):
        fitted.regions([], region_rate=rate)  # type: ignore[arg-type]


def test_before_the_fit() -> None:
    with pytest.raises(NotFittedError):
        Detector().regions([])
