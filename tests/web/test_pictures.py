"""What the browser gets of an image."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from twofold.detector.maps import draw_overlay
from twofold.web import pictures
from twofold.web.pictures import map_picture, original_picture, screen_picture


def noise(width: int, height: int) -> Image.Image:
    values = np.random.default_rng(0).integers(0, 255, (height, width, 3))
    return Image.fromarray(values.astype(np.uint8))


def opened(picture: pictures.Picture) -> Image.Image:
    image = Image.open(io.BytesIO(picture.content))
    assert Image.MIME[image.format or ""] == picture.media_type
    return image


@pytest.mark.parametrize(
    ("size", "sent"),
    [
        ((300, 300), (300, 300)),
        ((3200, 1600), (1600, 800)),
        ((50, 4000), (20, 1600)),
        ((1, 9), (1, 9)),
    ],
)
def test_a_screen_picture_fits_a_screen(size: tuple[int, int], sent: tuple[int, int]) -> None:
    picture = screen_picture(noise(*size), size)
    assert opened(picture).size == sent
    assert picture.size == size


def test_what_was_decoded_smaller_keeps_its_own_size() -> None:
    picture = screen_picture(noise(100, 50), (6400, 3200))
    assert picture.size == (6400, 3200)


def test_originals_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    image = noise(200, 100)
    whole = opened(original_picture(image))
    np.testing.assert_array_equal(np.asarray(whole), np.asarray(image))
    monkeypatch.setattr(pictures, "MAX_PIXELS", 5000)
    small = original_picture(image)
    assert opened(small).size == (100, 50)
    assert small.size == (200, 100)


def test_a_large_picture_is_a_jpeg_and_near_to_its_pixels() -> None:
    ramp = np.linspace(0, 255, 1500)[None, :, None] + np.zeros((900, 1, 3))
    image = Image.fromarray(ramp.astype(np.uint8))
    picture = original_picture(image)
    assert picture.media_type == "image/jpeg"
    difference = np.asarray(opened(picture), dtype=float) - np.asarray(image, dtype=float)
    assert np.abs(difference).max() <= 4


def test_a_map_over_its_image_is_the_picture_of_score_maps() -> None:
    generator = np.random.default_rng(1)
    image, grid = noise(64, 48), generator.normal(2.0, 2.0, (48, 64))
    picture = map_picture(image.size, grid, 1.0, 5.0)
    layer = opened(picture)
    assert not picture.clear
    over = Image.alpha_composite(image.convert("RGBA"), layer).convert("RGB")
    wanted = draw_overlay(image, grid.astype(np.float32), 1.0, 5.0)
    difference = np.asarray(over, dtype=float) - np.asarray(wanted, dtype=float)
    assert np.abs(difference).max() <= 2  # both are rounded


def test_a_map_without_a_colour_says_so() -> None:
    picture = map_picture((64, 48), np.full((4, 4), 0.9), 1.0, 5.0)
    assert picture.clear
    assert not np.asarray(opened(picture))[..., 3].any()
