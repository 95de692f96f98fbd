from __future__ import annotations

import warnings
from concurrent.futures import ThreadPoolExecutor
from io import BytesIO
from types import ModuleType

import numpy as np
import pytest
from PIL import Image, ImageOps, TiffImagePlugin
from PIL.ExifTags import Base

from twofold.errors import ImageError, UsageError
from twofold.images import decode


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    file = BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def worst(a: Image.Image, b: Image.Image) -> int:
    return int(np.abs(np.asarray(a).astype(int) - np.asarray(b).astype(int)).max())


def smooth(width: int, height: int) -> Image.Image:
    return Image.radial_gradient("L").resize((width, height)).convert("RGB")


@pytest.mark.parametrize(
    ("kind", "options", "limit"),
    [
        ("PNG", {}, 0),
        ("BMP", {}, 0),
        ("DIB", {}, 0),
        ("TIFF", {}, 0),
        ("TIFF", {"compression": "tiff_lzw"}, 0),
        ("TIFF", {"compression": "tiff_adobe_deflate"}, 0),
        ("TIFF", {"big_tiff": True}, 0),
        ("WEBP", {"lossless": True}, 0),
        ("WEBP", {"quality": 95}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0}, 12),
        ("JPEG", {"quality": 95, "subsampling": 0, "progressive": True}, 12),
    ],
)
def test_every_format(
    photo: Image.Image, kind: str, options: dict[str, object], limit: int
) -> None:
    image = decode(encoded(photo, kind, **options))
    assert image.mode == "RGB"
    assert image.size == photo.size
    assert worst(image, photo) <= limit


def test_cmyk_jpeg(photo: Image.Image) -> None:
    image = decode(encoded(photo.convert("CMYK"), "JPEG", quality=98, subsampling=0))
    assert worst(image, photo) <= 16


def test_telephone_jpeg_with_several_pictures_gives_the_first(photo: Image.Image) -> None:
    content = encoded(
        photo, "MPO", save_all=True, append_images=[ImageOps.invert(photo)], quality=95
    )
    assert Image.open(BytesIO(content)).format == "MPO"
    assert worst(decode(content), decode(encoded(photo, "JPEG", quality=95))) == 0


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "TIFF", "WEBP"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_orientation_is_applied_once(photo: Image.Image, kind: str, orientation: int) -> None:
    undo = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_90,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_270,
    }
    stored = photo.transpose(undo[orientation]) if orientation > 1 else photo
    exif = Image.Exif()
    exif[Base.Orientation] = orientation
    # Each option means something to one of the formats and nothing to the others.
    content = encoded(stored, kind, exif=exif, lossless=True, quality=95, subsampling=0)
    image = decode(content)
    assert image.size == photo.size
    assert worst(image, photo) <= (12 if kind == "JPEG" else 0)
    # Whoever applies the orientation again finds nothing left to do.
    assert worst(ImageOps.exif_transpose(image), image) == 0


def test_16_bit_grey_is_turned_too() -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    image = Image.fromarray(np.zeros((16, 32), np.uint16))
    assert decode(encoded(image, "PNG", exif=exif)).size == (16, 32)


def test_unreadable_exif_counts_as_upright(photo: Image.Image) -> None:
    for exif in (
        b"Exif\0\0garbage",
        b"Exif\0\0II*\0\xff\xff\xff\xff",
        b"Exif\0\0MM\0*\0\0\0\x08\xff",
    ):
        assert decode(encoded(photo, "JPEG", exif=exif)).size == photo.size


def test_frames(photo: Image.Image) -> None:
    more = {"save_all": True, "append_images": [photo.rotate(90), photo.rotate(180)]}
    with pytest.raises(ImageError, match=r"^3 frames: give one image per file$"):
        decode(encoded(photo, "PNG", **more))
    with pytest.raises(ImageError, match=r"^3 frames: give one image per file$"):
        decode(encoded(photo, "WEBP", **more))


def test_of_several_pages_the_first_is_taken(photo: Image.Image) -> None:
    more = {"save_all": True, "append_images": [photo.rotate(90), photo.rotate(180)]}
    assert worst(decode(encoded(photo, "TIFF", **more)), photo) == 0
    assert worst(decode(encoded(photo, "TIFF", compression="tiff_lzw", **more)), photo) == 0


@pytest.mark.parametrize(
    "content",
    [b"some text\n", b"<html></html>", b"GIF89a" + bytes(50), b"\0" * 100, b"x", b"RIFF1234WAVE"],
)
def test_what_is_no_image(content: bytes) -> None:
    with pytest.raises(ImageError, match=r"^not an image \(PNG, JPEG, BMP, TIFF or WebP\)$"):
        decode(content)


def test_empty() -> None:
    with pytest.raises(ImageError, match=r"^empty file$"):
        decode(b"")


def test_smallest_side(photo: Image.Image) -> None:
    assert decode(encoded(photo.resize((8, 8)), "PNG")).size == (8, 8)
    with pytest.raises(ImageError, match=r"^7 x 30 pixels: smaller than 8 on a side$"):
        decode(encoded(photo.resize((7, 30)), "PNG"))


@pytest.mark.parametrize("side", [9_500, 12_000, 14_000, 50_000, 2**31 - 1])
def test_bombs_are_refused_by_their_header(support: ModuleType, side: int) -> None:
    limit = Image.MAX_IMAGE_PIXELS
    with pytest.raises(
        ImageError, match=f"^{side} x {side} pixels: more than the limit of {limit}$"
    ):
        decode(support.png_of_size(side, side))


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "DIB", "TIFF", "WEBP"])
@pytest.mark.parametrize("limit", [1535, 767, 10])
def test_limit_is_read_when_it_counts(
    photo: Image.Image, kind: str, limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = encoded(photo, kind)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", limit)
    with pytest.raises(ImageError, match=f"more .*than the limit of {limit}$"):
        decode(content)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 48 * 32)
    assert decode(content).size == (48, 32)
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    assert decode(content).size == (48, 32)


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "TIFF", "WEBP"])
@pytest.mark.parametrize("part", [0.2, 0.5, 0.8])
def test_truncated(photo: Image.Image, kind: str, part: float) -> None:
    content = encoded(photo, kind)
    with pytest.raises(ImageError, match=r"^truncated or damaged: .+") as caught:
        decode(content[: int(part * len(content))])
    assert "\n" not in str(caught.value)


def test_any_failure_of_the_decoder_is_one_line(
    photo: Image.Image, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reason(error: Exception) -> str:
        def load(_self: Image.Image) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr("PIL.ImageFile.ImageFile.load", load)
            with pytest.raises(ImageError) as caught:
                decode(content)
        return str(caught.value)

    content = encoded(photo, "BMP")
    assert reason(RuntimeError("two\nlines")) == "truncated or damaged: two lines"
    assert reason(KeyError()) == "truncated or damaged: KeyError"
    assert reason(MemoryError()) == "not enough memory to decode it"
    assert reason(ValueError("\x1b[31m")).isprintable()
    assert len(reason(ValueError("long " * 1000))) < 200


@pytest.mark.parametrize(
    ("size", "min_side", "expected"),
    [
        ((640, 480), 224, (320, 240)),
        ((640, 480), 241, (640, 480)),
        ((640, 480), 240, (320, 240)),
        ((641, 479), 100, (161, 120)),
        ((1600, 1600), 10, (200, 200)),
        ((64, 64), 224, (64, 64)),
    ],
)
def test_jpeg_is_scaled_down_while_decoding(
    size: tuple[int, int], min_side: int, expected: tuple[int, int]
) -> None:
    image = smooth(*size)
    small = decode(encoded(image, "JPEG", quality=95), min_side)
    assert small.size == expected
    assert worst(small, image.resize(expected, Image.Resampling.BOX)) <= 12
    assert decode(encoded(image, "PNG"), min_side).size == size


def test_scaling_down_goes_with_turning_and_grey() -> None:
    exif = Image.Exif()
    exif[Base.Orientation] = 6
    content = encoded(smooth(640, 480).convert("L"), "JPEG", exif=exif)
    image = decode(content, 200)
    assert (image.mode, image.size) == ("RGB", (240, 320))


def test_limits_hold_for_the_size_before_scaling_down(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 640 * 480 - 1)
    with pytest.raises(ImageError, match=r"^640 x 480 pixels"):
        decode(encoded(smooth(640, 480), "JPEG"), 64)


def test_min_side_must_be_positive(photo: Image.Image) -> None:
    with pytest.raises(UsageError, match="min_side is 0"):
        decode(encoded(photo, "JPEG"), 0)


def test_no_warning_gets_out_of_any_thread(support: ModuleType) -> None:
    # Pillow warns of both: a large image, and tags beyond the end of the file.
    exif = TiffImagePlugin.ImageFileDirectory_v2()
    exif[270] = "a description longer than four bytes"
    tags = exif.tobytes(8)[:-20]
    corrupt = encoded(smooth(32, 32), "JPEG", exif=b"Exif\0\0II*\0\x08\0\0\0" + tags)
    large = support.png_of_size(12_000, 12_000)

    def work(content: bytes) -> str:
        try:
            return str(decode(content).size)
        except ImageError as error:
            return str(error).split(":", maxsplit=1)[0]

    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        Image.open(BytesIO(corrupt)).getexif()
        assert caught, "Pillow no longer warns of this file: find another"
        caught.clear()
        with ThreadPoolExecutor(4) as pool:
            results = set(pool.map(work, [corrupt, large] * 50))
        assert not caught
    assert results == {"(32, 32)", "12000 x 12000 pixels"}
