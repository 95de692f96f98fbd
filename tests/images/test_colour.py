from __future__ import annotations

import struct
import zlib
from io import BytesIO
from types import ModuleType

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from twofold.errors import ImageError
from twofold.images import decode, to_rgb


def pixels(image: Image.Image) -> NDArray[np.int16]:
    return np.asarray(image).astype(np.int16)


def through_file(image: Image.Image, kind: str, **options: object) -> Image.Image:
    file = BytesIO()
    image.save(file, kind, **options)
    return decode(file.getvalue())


def test_rgb_is_not_copied(photo: Image.Image) -> None:
    assert to_rgb(photo) is photo


@pytest.mark.parametrize("mode", ["L", "P", "CMYK", "YCbCr", "LAB", "HSV", "RGBA", "RGBX", "RGBa"])
def test_modes_come_back_as_the_same_scene(photo: Image.Image, mode: str) -> None:
    special = {"P": photo.quantize(), "RGBa": photo.convert("RGBA").convert("RGBa")}
    image = special[mode] if mode in special else photo.convert(mode)
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    expected = photo.convert("L").convert("RGB") if mode == "L" else photo
    # A palette has 256 colours and LAB another range: single pixels differ, the scene does not.
    assert np.abs(pixels(rgb) - pixels(expected)).mean() <= 8


@pytest.mark.parametrize("mode", ["1", "LA", "PA", "La"])
def test_grey_modes_with_and_without_alpha(photo: Image.Image, mode: str) -> None:
    grey = photo.convert("L")
    image = grey.convert("LA").convert("La") if mode == "La" else grey.convert(mode)
    rgb = to_rgb(image)
    assert rgb.mode == "RGB"
    expected = grey.convert("1").convert("RGB") if mode == "1" else grey.convert("RGB")
    assert np.abs(pixels(rgb) - pixels(expected)).max() <= 1


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "TIFF"])
def test_transparent_pixels_are_white_whatever_colour_hides(photo: Image.Image, kind: str) -> None:
    options = {"lossless": True, "exact": True} if kind == "WEBP" else {}
    alpha = Image.new("L", photo.size, 255)
    alpha.paste(0, (0, 0, 24, 32))
    results = []
    for hidden in ("red", "black", "#123456"):
        image = photo.copy()
        image.paste(hidden, (0, 0, 24, 32))
        image.putalpha(alpha)
        results.append(pixels(through_file(image, kind, **options)))
    assert (results[0][:, :24] == 255).all()
    assert np.array_equal(results[0][:, 24:], pixels(photo)[:, 24:])
    assert np.array_equal(results[0], results[1])
    assert np.array_equal(results[0], results[2])


def test_half_transparent_is_half_way_to_white() -> None:
    image = Image.new("RGBA", (8, 8), (0, 100, 200, 128))
    assert np.abs(pixels(to_rgb(image))[0, 0] - [127, 177, 227]).max() <= 1


def test_palette_with_one_transparent_entry_and_with_alpha_values() -> None:
    image = Image.new("P", (8, 8), 1)
    image.putpalette([255, 0, 0, 0, 0, 255])
    image.paste(0, (0, 0, 4, 8))
    one = pixels(through_file(image, "PNG", transparency=0))
    several = pixels(through_file(image, "PNG", transparency=b"\x00\x80"))
    assert (one[:, :4] == 255).all()
    assert (one[:, 4:] == [0, 0, 255]).all()
    assert (several[:, :4] == 255).all()
    assert np.abs(several[:, 4:] - [127, 127, 255]).max() <= 1


@pytest.mark.parametrize(("mode", "key"), [("L", 7), ("RGB", (1, 2, 3)), ("1", 0)])
def test_colour_key(mode: str, key: object) -> None:
    image = Image.new(mode, (8, 8), 1 if mode == "1" else "gray")
    image.paste(key, (0, 0, 4, 8))  # type: ignore[arg-type]
    result = pixels(through_file(image, "PNG", transparency=key))
    assert (result[:, :4] == 255).all()
    assert (result[:, 4:] == (255 if mode == "1" else 128)).all()


def rgb16_png(colour: tuple[int, ...], key: tuple[int, ...], support: ModuleType) -> bytes:
    row = b"\0" + struct.pack(">3H", *colour) * 8
    chunks = [
        (b"IHDR", struct.pack(">IIBBBBB", 8, 8, 16, 2, 0, 0, 0)),
        (b"tRNS", struct.pack(">3H", *key)),
        (b"IDAT", zlib.compress(row * 8)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(support.png_chunk(*chunk) for chunk in chunks)


def test_16_bit_colour_and_its_colour_key(support: ModuleType) -> None:
    colour = (0x1234, 0x8000, 0xFFFF)
    seen = decode(rgb16_png(colour, (0, 0, 0), support))
    assert np.abs(pixels(seen)[0, 0] - [v / 257 for v in colour]).max() <= 1
    hidden = decode(rgb16_png(colour, colour, support))
    assert (pixels(hidden) == 255).all()


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_16_bit_grey_agrees_with_8_bit(photo: Image.Image, kind: str) -> None:
    scene = np.random.default_rng(0).random((32, 48))
    deep = Image.fromarray(np.round(scene * 65535).astype(np.uint16))
    plain = Image.fromarray(np.round(scene * 255).astype(np.uint8))
    difference = pixels(through_file(deep, kind)) - pixels(through_file(plain, kind))
    assert np.abs(difference).max() <= 0.01 * 255


def test_16_bit_ends_of_the_range_and_byte_order() -> None:
    values = np.array([[0, 128, 129, 257, 65535, 65406, 32896, 1]] * 8, dtype=np.uint16)
    expected = [0, 0, 1, 1, 255, 254, 128, 0]
    big = Image.frombytes("I;16B", (8, 8), values.astype(">u2").tobytes())
    for image in (Image.fromarray(values), big, Image.fromarray(values.astype(np.int32))):
        assert pixels(to_rgb(image))[0, :, 1].tolist() == expected


def test_16_bit_grey_colour_key() -> None:
    values = np.full((8, 8), 1000, np.uint16)
    values[:4] = 2000
    image = Image.fromarray(values)
    image.info["transparency"] = 1000
    result = pixels(to_rgb(image))
    assert (result[4:] == 255).all()
    assert (result[:4] == 8).all()


@pytest.mark.parametrize(
    "values",
    [
        np.full((8, 8), 65536, np.int32),
        np.full((8, 8), -1, np.int32),
    ],
)
def test_integers_beyond_16_bits_are_refused(values: NDArray[np.generic]) -> None:
    for convert in (to_rgb, lambda image: through_file(image, "TIFF")):
        with pytest.raises(ImageError, match=r"^32-bit pixels have no agreed range: convert to 8"):
            convert(Image.fromarray(values))


@pytest.mark.parametrize("kind", ["memory", "TIFF"])
def test_floating_point_pixels_from_0_to_1(kind: str) -> None:
    values = np.linspace(0, 1, 64, dtype=np.float32).reshape(8, 8)
    image = Image.fromarray(values)
    grey = to_rgb(image) if kind == "memory" else through_file(image, kind)
    assert np.array_equal(pixels(grey)[..., 1], np.floor(values * 255 + 0.5))


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (1.5, r"from 0 to 1\.5: bring them to 0\.\.1"),
        (-0.1, r"from -0\.1 to 1: bring them to 0\.\.1"),
        (np.nan, "not finite: replace them"),
        (np.inf, "not finite: replace them"),
    ],
)
def test_other_floating_point_pixels_are_refused(value: float, message: str) -> None:
    values = np.ones((8, 8), np.float32)
    values[3, 3] = value
    for convert in (to_rgb, lambda image: through_file(image, "TIFF")):
        with pytest.raises(ImageError, match=message):
            convert(Image.fromarray(values))


@pytest.mark.parametrize("bits", [1, 2, 4, 8])
def test_colour_key_of_a_grey_png_of_few_bits(bits: int, support: ModuleType) -> None:
    levels = 2**bits
    row = int("".join(f"{x % levels:0{bits}b}" for x in range(8 * levels)), 2)
    line = b"\0" + row.to_bytes(levels * bits, "big")
    header = struct.pack(">IIBBBBB", 8 * levels, 8, bits, 0, 0, 0, 0)
    for key in (0, 1, levels - 1):
        chunks = [
            (b"IHDR", header),
            (b"tRNS", struct.pack(">H", key)),
            (b"IDAT", zlib.compress(line * 8)),
            (b"IEND", b""),
        ]
        content = b"\x89PNG\r\n\x1a\n" + b"".join(support.png_chunk(*chunk) for chunk in chunks)
        seen = pixels(decode(content))[0, :levels, 0].tolist()
        step = 255 // (levels - 1)
        assert seen == [255 if x == key else x * step for x in range(levels)]
