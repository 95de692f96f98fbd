"""Small pictures within a budget."""

from __future__ import annotations

import base64
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold.images import ImageSet, find_images
from twofold.report.pictures import draw, plan


def noise(n: int, side: int = 200) -> ImageSet:
    generator = np.random.default_rng(0)
    return ImageSet.from_array(generator.integers(0, 255, (n, side, side, 3), dtype=np.uint8))


def size_of(text: str) -> tuple[int, int]:
    return Image.open(BytesIO(base64.b64decode(text))).size


def test_sizes_shrink_with_the_number_of_images() -> None:
    budget = 10_000_000
    assert plan(100, 0, budget) == (320, 320)
    sizes = [plan(min(n, 400), max(0, n - 400), budget) for n in (100, 500, 1000, 5000, 50_000)]
    assert sizes == sorted(sizes, reverse=True)
    assert sizes[3][0] >= 160
    assert sizes[3][1] >= 64
    assert sizes[-1] == (128, 64)


@pytest.mark.parametrize("budget", [0, 100, 20_000, 60_000])
def test_the_budget_is_kept_and_the_first_come_first(budget: int) -> None:
    found = draw(noise(12), [7, 3], [1, 2, 5, 0], budget)
    assert sum(map(len, found.values())) <= budget
    assert list(found) == [7, 3, 1, 2, 5, 0][: len(found)]


def test_pictures_are_no_larger_than_planned_nor_than_the_image(tmp_path: Path) -> None:
    Image.new("RGB", (3000, 1000), "red").save(tmp_path / "wide.jpg")
    Image.new("RGB", (20, 40), "blue").save(tmp_path / "tall.png")
    found = draw(find_images(tmp_path), [0, 1], [], 1_000_000)
    assert size_of(found[0]) == (20, 40)
    assert size_of(found[1]) == (320, 107)


def test_an_image_that_has_gone_has_none(tmp_path: Path) -> None:
    for name in ("a.png", "b.png"):
        Image.new("RGB", (20, 20)).save(tmp_path / name)
    images = find_images(tmp_path)
    (tmp_path / "a.png").unlink()
    assert list(draw(images, [0, 1], [], 1_000_000)) == [1]
