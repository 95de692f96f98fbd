"""What a file is read for: its header without its pixels, and its pixels at several sizes."""

from __future__ import annotations

import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from PIL.ExifTags import Base
from PIL.PngImagePlugin import PngImageFile, PngInfo

from twofold.images.decode import decode
from twofold.images.loaded import LoadedImage, file_header
from twofold.images.opening import PNG


def png(turned: int | None = None, xmp: int | None = None, **said: str) -> bytes:
    """A noisy PNG of 40 x 20 pixels, several chunks of pixels long."""
    noise = np.random.default_rng(0).integers(0, 256, (20, 40, 3), dtype=np.uint8)
    stream, exif, more = BytesIO(), Image.Exif(), PngInfo()
    if turned is not None:
        exif[Base.Orientation] = turned
    if xmp is not None:
        more.add_itxt("XML:com.adobe.xmp", f'<x tiff:Orientation="{xmp}"/>')
    for name, text in said.items():
        more.add_text(name.replace("_", " "), text)
    Image.fromarray(noise).save(stream, "PNG", exif=exif, pnginfo=more)
    return stream.getvalue()


# EXIF data that say: turned by a quarter.
TURNED = b"Exif\x00\x00II*\x00\x08\x00\x00\x00\x01\x00\x12\x01\x03\x00\x01\x00\x00\x00\x06" + bytes(
    7
)


def chunks(content: bytes) -> list[tuple[bytes, bytes]]:
    found, place = [], len(PNG)
    while place < len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        kind = content[place + 4 : place + 8]
        found.append((kind, content[place + 8 : place + 8 + length]))
        place += length + 12
    return found


def joined(parts: list[tuple[bytes, bytes]]) -> bytes:
    content = PNG
    for kind, data in parts:
        check = zlib.crc32(kind + data).to_bytes(4, "big")
        content += len(data).to_bytes(4, "big") + kind + data + check
    return content


def behind(content: bytes, kind: bytes) -> bytes:
    """The same with chunks of a kind moved behind the pixels."""
    parts = chunks(content)
    moved = [part for part in parts if part[0] == kind]
    assert moved
    rest = [part for part in parts if part[0] != kind]
    return joined([*rest[:-1], *moved, rest[-1]])


CASES = {
    "nothing said": png(),
    "upright": png(turned=1),
    "exif": png(turned=6),
    "exif behind": behind(png(turned=6), b"eXIf"),
    "xmp": png(xmp=8),
    "xmp behind": behind(png(xmp=8), b"iTXt"),
    "date behind": behind(png(date="today"), b"tEXt"),
    "exif as text behind": behind(
        png(Raw_profile_type_exif=f"\nexif\n40\n{TURNED.hex()}"), b"tEXt"
    ),
    "cut short": png()[:-200],
    "cut short behind the pixels": behind(png(turned=6), b"eXIf")[:-20],
    "no end": joined(chunks(png())[:-1]),
    "a chunk that claims to be long": png()[:-12] + b"\xff\xff\xff\xfftEXt",
}


@pytest.mark.parametrize("content", CASES.values(), ids=CASES.keys())
def test_a_png_is_as_large_as_pillow_turns_it(content: bytes) -> None:
    image = Image.open(BytesIO(content))
    try:
        turned = image.getexif().get(Base.Orientation, 1)
    except Exception:  # damaged
        turned = 1
    expected = (20, 40) if turned in (5, 6, 7, 8) else (40, 20)
    header = file_header(BytesIO(content))
    assert (header.width, header.height) == expected


@pytest.mark.parametrize("name", ["nothing said", "upright", "exif", "xmp", "date behind"])
def test_the_pixels_of_a_png_are_not_decoded(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: PngImageFile) -> None:
        raise AssertionError("decoded")

    expected = decode(CASES[name]).size
    monkeypatch.setattr(PngImageFile, "load", refuse)
    header = file_header(BytesIO(CASES[name]))
    assert (header.width, header.height) == expected


@pytest.mark.parametrize("size", [(900, 700), (1300, 1000), (130, 900)])
@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_each_size_is_what_it_is_alone(size: tuple[int, int], kind: str) -> None:
    """A JPEG is made smaller while it is decoded as far as each size allows, not the largest."""
    noise = np.random.default_rng(0).integers(0, 256, (*size[::-1], 3), dtype=np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, kind, quality=90)
    loaded = LoadedImage(file.getvalue())
    sides = [64, 640, 64, 100, 320]
    for side, image in zip(sides, loaded.decode_each(sides), strict=True):
        np.testing.assert_array_equal(np.asarray(image), np.asarray(loaded.decode(side)))
