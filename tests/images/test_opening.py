"""What Pillow gets wrong of TIFF without saying so."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import TiffImagePlugin
from tests.images.writers import tiff

from twofold.errors import ImageError
from twofold.images import decode

Order = Literal["<", ">"]


def grey(content: bytes) -> NDArray[np.uint8]:
    return np.asarray(decode(content))[..., 0]


RAMP = np.arange(99, dtype=np.uint8).reshape(9, 11)

orders = pytest.mark.parametrize("order", ["<", ">"])
compressions = pytest.mark.parametrize("compressed", [False, True])


@orders
@compressions
def test_floats_in_either_byte_order(order: Order, compressed: bool) -> None:
    values = (RAMP / 98).astype(np.float32)
    expected = np.floor(values * 255 + 0.5)
    for photometric, wanted in ((1, expected), (0, 255 - expected)):
        content = tiff(
            values, order=order, compressed=compressed, sample_format=3, photometric=photometric
        )
        assert np.abs(grey(content) - wanted).max() <= (photometric == 0)


@orders
@compressions
@pytest.mark.parametrize("dtype", [np.int16, np.int32])
def test_signed_integers_in_either_byte_order(
    order: Order, compressed: bool, dtype: type[np.signedinteger]
) -> None:
    values = RAMP.astype(dtype) * 257 + 100  # the two bytes differ
    content = tiff(values, order=order, compressed=compressed, sample_format=2)
    assert np.array_equal(grey(content), RAMP)


@compressions
def test_signed_bytes_below_zero_are_refused(compressed: bool) -> None:
    values = RAMP.astype(np.int8)
    content = tiff(values, compressed=compressed, sample_format=2)
    assert np.array_equal(grey(content), RAMP)
    with pytest.raises(ImageError, match=r"^8-bit pixels below zero: make the values 0 or more$"):
        decode(tiff(values - 50, compressed=compressed, sample_format=2))


@orders
def test_one_channel_in_planes(order: Order) -> None:
    for values, photometric, expected in (
        (RAMP, 1, RAMP),
        (RAMP, 0, 255 - RAMP),
        (RAMP.astype(np.uint16) * 257, 1, RAMP),
        (RAMP.astype(np.uint16) * 257, 0, 255 - RAMP),
    ):
        content = tiff(values, order=order, separate=True, photometric=photometric)
        assert np.array_equal(grey(content), expected)


@pytest.mark.parametrize("scale", [1, 257])
def test_palettes_of_8_and_of_16_bits(scale: int) -> None:
    colours = np.stack([np.arange(256), 255 - np.arange(256), np.full(256, 7)])
    content = tiff(RAMP, photometric=3, tags={320: (colours * scale).ravel().tolist()})
    assert np.array_equal(np.asarray(decode(content)), colours.T[RAMP])


def test_kinds_that_cannot_be_read_say_what_to_do() -> None:
    kinds: tuple[tuple[NDArray[Any], dict[str, Any]], ...] = (
        (RAMP.astype(np.float64), {"sample_format": 3}),
        (RAMP.astype(np.uint32), {"order": ">"}),
        (np.zeros((9, 9, 3), np.float32), {"sample_format": 3}),
    )
    for values, options in kinds:
        with pytest.raises(ImageError, match=r"of a kind that cannot be read \(\d+ bits"):
            decode(tiff(values, **options))


def test_the_global_tables_of_pillow_stay_as_they_are() -> None:
    before = dict(TiffImagePlugin.OPEN_INFO)
    decode(tiff(RAMP, photometric=0))
    assert before == TiffImagePlugin.OPEN_INFO
