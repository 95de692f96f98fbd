"""Shifts: none at strength 0, growing with it, the same every time, masks in step."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.errors import ConfigError, UsageError
from twofold.synthetic import SHIFTS, shift_image, shift_mask

Pixels = NDArray[np.uint8]

each_kind = pytest.mark.parametrize("kind", SHIFTS)
each_shape = pytest.mark.parametrize("shape", [(64, 64), (16, 16), (17, 45)])


def noise(shape: tuple[int, int] = (64, 64)) -> Pixels:
    return np.random.default_rng(0).integers(0, 256, (*shape, 3)).astype(np.uint8)


def distance(one: Pixels, other: Pixels) -> float:
    return float(np.abs(one.astype(np.float64) - other).mean())


@each_kind
@each_shape
def test_shape_and_type_stay_and_the_image_is_left_alone(kind: str, shape: tuple[int, int]) -> None:
    image = noise(shape)
    original = image.copy()
    for strength in (0, 0.01, 0.5, 1):
        shifted = shift_image(image, kind, strength)
        assert shifted.dtype == np.uint8
        assert shifted.shape == image.shape
        assert np.array_equal(shifted, shift_image(image, kind, strength))
        assert not np.shares_memory(shifted, image)
        shifted[:] = 0
        assert np.array_equal(image, original)


@each_kind
def test_no_strength_is_identity(kind: str) -> None:
    image, mask = noise(), noise()[..., 0] > 128
    assert np.array_equal(shift_image(image, kind, 0), image)
    assert np.array_equal(shift_mask(mask, kind, 0), mask)


@pytest.mark.parametrize("kind", [kind for kind in SHIFTS if kind != "crop"])
def test_more_strength_is_a_greater_shift(kind: str) -> None:
    image = noise()
    shifts = [distance(shift_image(image, kind, s), image) for s in np.linspace(0, 1, 6)]
    assert (np.diff(shifts) > 0).all()
    assert shifts[-1] > 12


def test_what_each_shift_does() -> None:
    image = noise()
    dark = shift_image(image, "grey_level", 1)
    assert (dark <= image).all()
    assert dark.mean() < 0.6 * image.mean()
    assert shift_image(image, "blur", 1).std() < 0.4 * image.std()
    assert abs(shift_image(image, "blur", 1).mean() - image.mean()) < 1
    red, green, blue = shift_image(np.full((16, 16, 3), 100, np.uint8), "colour", 1)[0, 0]
    assert (red, green, blue) == (130, 100, 70)
    pure = np.zeros((16, 16, 3), np.uint8)
    pure[..., 1] = 180
    assert tuple(shift_image(pure, "colour", 1)[0, 0]) == (39, 120, 21)  # half-way to grey 60


def test_a_crop_shows_the_middle() -> None:
    image = np.zeros((64, 64, 3), np.uint8)
    image[16:48, 16:48] = 200
    assert (shift_image(image, "crop", 1)[2:-2, 2:-2] == 200).all()
    rows = np.arange(64, dtype=np.uint8)[:, None, None].repeat(64, 1).repeat(3, 2)
    shown = shift_image(rows, "crop", 0.5)[:, 0, 0]
    wanted = 8 + (np.arange(64) + 0.5) * 0.75 - 0.5
    assert np.abs(shown - wanted).max() <= 1


@pytest.mark.parametrize("strength", [0.1, 0.37, 0.5, 1.0])
@each_shape
def test_a_mask_is_cropped_as_its_image(shape: tuple[int, int], strength: float) -> None:
    rows, columns = np.indices(shape)
    mask = np.hypot(rows - shape[0] / 2, columns - shape[1] / 2.5) < min(shape) / 4
    original = mask.copy()
    shifted = shift_mask(mask, "crop", strength)
    assert shifted.dtype == np.bool_
    assert shifted.shape == shape
    image = (255 * mask).astype(np.uint8)[..., None].repeat(3, axis=2)
    seen = shift_image(image, "crop", strength)[..., 0]
    assert shifted[seen > 200].all()
    assert not shifted[seen < 55].any()
    assert np.array_equal(mask, original)


@pytest.mark.parametrize("kind", [kind for kind in SHIFTS if kind != "crop"])
def test_other_shifts_leave_the_mask(kind: str) -> None:
    mask = noise()[..., 0] > 128
    shifted = shift_mask(mask, kind, 1)
    assert np.array_equal(shifted, mask)
    assert not np.shares_memory(shifted, mask)


def test_a_defect_outside_the_crop_is_lost() -> None:
    mask = np.zeros((64, 64), dtype=bool)
    mask[:4, :4] = True
    assert not shift_mask(mask, "crop", 1).any()


@pytest.mark.parametrize("strength", [-0.1, 1.1, float("nan")])
def test_a_strength_out_of_range_is_refused(strength: float) -> None:
    with pytest.raises(ConfigError, match="strength"):
        shift_image(noise(), "blur", strength)
    with pytest.raises(ConfigError, match="strength"):
        shift_mask(noise()[..., 0] > 9, "blur", strength)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ConfigError, match="unknown shift 'fog'; known: grey_level, blur"):
        shift_image(noise(), "fog", 0)
    with pytest.raises(ConfigError, match="unknown shift 'fog'"):
        shift_mask(noise()[..., 0] > 9, "fog", 0)


def test_other_types_and_shapes_are_refused() -> None:
    images: list[NDArray[Any]] = [noise() / 255, noise()[..., 0], noise((15, 64))]
    for image in images:
        with pytest.raises(UsageError, match="image:"):
            shift_image(image, "blur", 0)
    masks: list[NDArray[Any]] = [noise()[..., 0], noise() > 9, noise((15, 64))[..., 0] > 9]
    for mask in masks:
        with pytest.raises(UsageError, match="mask:"):
            shift_mask(mask, "blur", 0)
