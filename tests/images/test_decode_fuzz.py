from __future__ import annotations

import tempfile
from collections.abc import Iterator
from io import BytesIO

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.ExifTags import Base
from tests.images.writers import png16, tiff

from twofold.errors import ImageError
from twofold.images import decode, find_images, survey

# Warnings are errors in this suite, so each of these tests also shows that none gets out.


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def small_files() -> Iterator[bytes]:
    image = Image.radial_gradient("L").resize((24, 16)).convert("RGB")
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    for kind in ("PNG", "JPEG", "TIFF", "BMP", "WEBP"):
        yield encoded(image, kind)
    yield encoded(image, "JPEG", exif=exif, progressive=True)
    yield encoded(image, "PNG", exif=exif)
    yield encoded(image.convert("P"), "PNG", transparency=b"\0\x80\xff")
    yield encoded(image.convert("RGBA"), "WEBP", exif=exif)
    for compression in ("tiff_lzw", "jpeg", "packbits"):
        yield encoded(image, "TIFF", compression=compression, exif=exif)
    yield encoded(image.convert("P"), "BMP")
    yield encoded(Image.fromarray(np.zeros((16, 24), np.uint16)), "PNG")
    deep = np.arange(16 * 24 * 4, dtype=np.uint16).reshape(16, 24, 4) * 9
    for channels in (2, 3, 4):
        yield png16(deep[..., :channels], before=[(b"sBIT", b"\x0c" * channels)])
    for compressed in (False, True):
        yield tiff(deep[..., :3], compressed=compressed)
        yield tiff(deep[..., 0], compressed=compressed, order=">", photometric=0)
        yield tiff(deep[..., :3], compressed=compressed, separate=True)


FILES = list(small_files())
SIGNATURES = [
    b"\x89PNG\r\n\x1a\n",
    b"\xff\xd8\xff",
    b"BM",
    b"II*\0",
    b"MM\0+",
    b"RIFF\x40\0\0\0WEBPVP8 ",
    b"\x28\0\0\0",
    b"",
]


def check_survey(content: bytes) -> None:
    """Look at the header and the deep pixels alone, which must not fail otherwise."""
    with tempfile.NamedTemporaryFile() as file:
        file.write(content)
        file.flush()
        found = survey(find_images(file.name))
    assert found.n == 1
    assert found.n_deep + found.n_shallow <= 1


def check(content: bytes, min_side: int | None = None) -> None:
    """Decode `content`, which must give an RGB image or an ImageError of one line."""
    reason = ""
    try:
        image = decode(content, min_side)
    except ImageError as error:
        reason = str(error)
    if reason:
        assert reason.isprintable()
        assert len(reason) < 200
    else:
        assert image.mode == "RGB"
        assert len(image.tobytes()) == 3 * image.width * image.height


@st.composite
def damaged(draw: st.DrawFn) -> bytes:
    content = bytearray(draw(st.sampled_from(FILES)))
    last = len(content) - 1
    # Half of the damage goes to the first bytes, where the structure is.
    place = st.one_of(st.integers(0, min(last, 100)), st.integers(0, last))
    for position, value in draw(st.lists(st.tuples(place, st.integers(0, 255)), max_size=8)):
        content[position] = value
    return bytes(content[: draw(st.one_of(st.just(last + 1), st.integers(0, last)))])


@pytest.mark.slow
@settings(max_examples=500, deadline=None)
@given(content=damaged(), min_side=st.sampled_from([None, 8]))
def test_damaged_files(content: bytes, min_side: int | None) -> None:
    check(content, min_side)


@pytest.mark.slow
@settings(max_examples=300, deadline=None)
@given(content=damaged())
def test_survey_of_damaged_files(content: bytes) -> None:
    check_survey(content)


@settings(max_examples=200, deadline=None)
@given(start=st.sampled_from(SIGNATURES), rest=st.binary(max_size=200))
def test_random_bytes_after_a_signature(start: bytes, rest: bytes) -> None:
    check(start + rest)
