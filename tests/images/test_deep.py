"""All the bits of pixels with more than 8 a channel, and what a bit depth makes of them."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image
from PIL.ExifTags import Base
from tests.images.writers import png16, tiff

from twofold.errors import ImageError
from twofold.images import decode
from twofold.images.decode import deep_pixels

Array = NDArray[np.uint16]
Order = Literal["<", ">"]


def noise(*shape: int, top: int = 65535) -> Array:
    return np.random.default_rng(0).integers(0, top + 1, shape).astype(np.uint16)


def eight(values: NDArray[np.integer], depth: int) -> NDArray[np.uint8]:
    """The rule, by exact fractions in floating point."""
    exact = np.floor(values.astype(np.float64) * 255 / (2**depth - 1) + 0.5)
    return np.asarray(exact, dtype=np.uint8)


def rgb(content: bytes, depth: int | None = None) -> NDArray[np.uint8]:
    return np.asarray(decode(content, None, depth))


def grey(values: NDArray[np.uint8]) -> NDArray[np.uint8]:
    return np.repeat(values[..., None], 3, axis=2)


@pytest.mark.parametrize("interlaced", [False, True])
@pytest.mark.parametrize("channels", [1, 2, 3, 4])
def test_png_keeps_every_bit(channels: int, interlaced: bool) -> None:
    values = noise(19, 13) if channels == 1 else noise(19, 13, channels)
    pixels = deep_pixels(png16(values, interlaced=interlaced))
    assert pixels is not None
    assert np.array_equal(pixels.values, values)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(
    ("channels", "photometric", "extra"),
    [(1, 1, ()), (3, 2, ()), (4, 2, (2,)), (4, 2, ()), (4, 2, (0,)), (4, 2, (1,)), (4, 5, ())],
)
def test_tiff_keeps_every_bit(
    order: Order, compressed: bool, channels: int, photometric: int, extra: tuple[int, ...]
) -> None:
    values = noise(19, 13) if channels == 1 else noise(19, 13, channels)
    content = tiff(values, order=order, compressed=compressed, photometric=photometric, extra=extra)
    pixels = deep_pixels(content)
    assert pixels is not None
    expected = values[..., :3] if extra == (0,) else values
    assert np.array_equal(pixels.values, expected)
    modes = {1: "L", 3: "RGB", (0,): "RGB", (1,): "RGBa", 5: "CMYK"}
    wanted = modes.get(channels) or modes.get(extra) or modes.get(photometric, "RGBA")
    assert pixels.mode == wanted


@pytest.mark.parametrize("order", ["<", ">"])
def test_tiff_with_a_plane_for_each_channel(order: Order) -> None:
    values = noise(19, 13, 3)
    pixels = deep_pixels(tiff(values, order=order, separate=True))
    assert pixels is not None
    assert np.array_equal(pixels.values, values)
    with pytest.raises(ImageError, match=r"compressed planes, .* save it without compression"):
        decode(tiff(values, order=order, separate=True, compressed=True))


@pytest.mark.parametrize("depth", [10, 12, 14, 16])
@pytest.mark.parametrize("kind", ["PNG grey", "PNG colour", "TIFF grey", "TIFF colour"])
def test_a_camera_of_any_depth_gives_the_8_bit_picture(depth: int, kind: str) -> None:
    values = noise(9, 11, *((3,) if "colour" in kind else ()), top=2**depth - 1)
    content = png16(values) if "PNG" in kind else tiff(values, order=">")
    expected = eight(values, depth)
    assert np.array_equal(rgb(content, depth), expected if "colour" in kind else grey(expected))


def test_a_value_beyond_the_depth_is_refused_with_the_way_out() -> None:
    values = noise(9, 9, top=4095)
    values[3, 3] = 5000
    for content in (png16(values), tiff(values), png16(np.stack([values] * 3, axis=2))):
        with pytest.raises(ImageError) as caught:
            decode(content, None, 12)
        assert str(caught.value) == (
            "a pixel value of 5000, read with a bit depth of 12 (values to 4095): bit_depth=14 "
            "states another"
        )
        decode(content)


@pytest.mark.parametrize("depth", [None, 9, 12])
def test_images_of_8_bits_know_no_depth(photo: Image.Image, depth: int | None) -> None:
    for kind in ("PNG", "TIFF", "BMP"):
        file = BytesIO()
        photo.save(file, kind)
        assert rgb(file.getvalue(), depth).tobytes() == photo.tobytes()


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize(("dtype", "depth"), [(np.uint8, 8), (np.uint16, 16), (np.uint16, 12)])
def test_white_is_zero_is_inverted_at_every_depth(
    order: Order, compressed: bool, dtype: type[np.integer], depth: int
) -> None:
    values = noise(9, 11, top=2**depth - 1)
    content = tiff(values.astype(dtype), order=order, compressed=compressed, photometric=0)
    expected = eight(2**depth - 1 - values.astype(np.int64), depth)
    assert np.array_equal(rgb(content, depth if depth > 8 else None), grey(expected))


@pytest.mark.parametrize("depth", [None, 10, 14])
@pytest.mark.parametrize("compressed", [False, True])
def test_12_bit_tiff_says_itself_that_it_has_12(depth: int | None, compressed: bool) -> None:
    values = noise(10, 12, top=4095)
    for photometric, expected in ((1, values), (0, 4095 - values)):
        content = tiff(values, packed_12=True, compressed=compressed, photometric=photometric)
        assert np.array_equal(rgb(content, depth), grey(eight(expected, 12)))


@pytest.mark.parametrize("opaque", [4095, 65535])
def test_alpha_of_a_12_bit_image_may_use_either_range(opaque: int) -> None:
    colours = noise(9, 9, 3, top=4095)
    alpha = np.full((9, 9, 1), opaque, np.uint16)
    alpha[:4] = 0
    content = png16(np.concatenate([colours, alpha], axis=2))
    expected = eight(colours, 12)
    expected[:4] = 255
    assert np.array_equal(rgb(content, 12), expected)


def test_a_colour_key_is_compared_with_all_its_bits() -> None:
    values = np.full((8, 8, 3), 0x1234, np.uint16)
    values[:4] = 0x1235
    key = (b"tRNS", struct.pack(">3H", *[0x1234] * 3))
    seen = rgb(png16(values, before=[key]))
    assert (seen[4:] == 255).all()
    assert (seen[:4] == round(0x1235 / 257)).all()


def test_16_bit_cmyk_agrees_with_8_bit_cmyk(photo: Image.Image) -> None:
    inks = np.asarray(photo.convert("CMYK"))
    deep = tiff(inks.astype(np.uint16) * 257, photometric=5)
    assert np.array_equal(rgb(deep), rgb(tiff(inks, photometric=5)))


def test_premultiplied_alpha_agrees_with_8_bit(photo: Image.Image) -> None:
    photo.putalpha(Image.linear_gradient("L").resize(photo.size))
    values = np.frombuffer(photo.convert("RGBa").tobytes(), np.uint8).reshape(32, 48, 4)
    deep = rgb(tiff(values.astype(np.uint16) * 257, extra=(1,))).astype(int)
    assert np.abs(deep - rgb(tiff(values, extra=(1,)))).max() <= 1


@pytest.mark.parametrize("orientation", range(1, 9))
def test_deep_colour_is_turned_once(photo: Image.Image, orientation: int) -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    plain = BytesIO()
    photo.save(plain, "PNG", exif=exif)
    values = np.asarray(photo).astype(np.uint16) * 257
    deep = png16(values, before=[(b"eXIf", exif.tobytes()[6:])])
    turned = decode(deep)
    assert turned.tobytes() == decode(plain.getvalue()).tobytes()
    assert turned.getexif().get(Base.Orientation) is None
    as_tiff = tiff(values, tags={Base.Orientation: [orientation]})
    assert decode(as_tiff).tobytes() == turned.tobytes()


@pytest.mark.parametrize(
    ("top", "bits", "stated"),
    [
        (900, 12, 12),
        (4095, 12, 12),
        (5000, 11, None),  # the values contradict it
        (900, 16, 16),
        (700, 9, 10),
        (900, 99, None),  # impossible
    ],
)
def test_significant_bits_of_png(top: int, bits: int, stated: int | None) -> None:
    for values, body in (
        (noise(9, 9, top=top), bytes([bits])),
        (noise(9, 9, 3, top=top), bytes([bits] * 3)),
    ):
        values.flat[0] = top
        pixels = deep_pixels(png16(values, before=[(b"sBIT", body)]))
        assert pixels is not None
        assert pixels.stated == stated


def test_values_moved_up_to_the_full_range_are_no_12_bit_values() -> None:
    values = noise(9, 9, top=200) << 4
    pixels = deep_pixels(png16(values, before=[(b"sBIT", b"\x0c")]))
    assert pixels is not None
    assert pixels.stated is None


@pytest.mark.parametrize(("stated", "found"), [(4095, 12), (16383, 14), (65535, 16), (500, None)])
def test_max_sample_value_of_tiff(stated: int, found: int | None) -> None:
    values = noise(9, 9, top=900)
    values[0, 0] = 900
    for colours in (values, np.stack([values] * 3, axis=2)):
        tags = {281: [stated] * colours[0, 0].size}
        pixels = deep_pixels(tiff(colours, tags=tags))
        assert pixels is not None
        assert pixels.stated == (found if stated >= 900 else pixels.stated)


@pytest.mark.parametrize("part", [0.3, 0.6, 0.9])
def test_truncated_deep_files_are_refused(part: float) -> None:
    for content in (png16(noise(40, 40, 3)), tiff(noise(40, 40, 3)), png16(noise(40, 40, 2))):
        with pytest.raises(ImageError, match="truncated or damaged"):
            decode(content[: int(len(content) * part)])
