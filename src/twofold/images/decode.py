"""Decoding the bytes of one image file, trusting nothing in them."""

from __future__ import annotations

from io import BytesIO
from typing import Final

from PIL import BmpImagePlugin, Image, ImageFile, ImageOps, TiffImagePlugin
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile
from PIL.PngImagePlugin import PngImageFile
from PIL.WebPImagePlugin import WebPImageFile

from twofold.errors import ImageError, UsageError
from twofold.images.colour import to_rgb
from twofold.images.quiet import quiet

__all__ = ["MIN_SIDE", "check_size", "decode"]

MIN_SIDE: Final = 8
"""Smallest width and height in pixels: below it there is hardly a pattern to look at."""

_LONGEST_REASON: Final = 120  # characters of a decoder's message that still read as one line

_TIFF: Final = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")  # both byte orders; "+" is BigTIFF
# A DIB starts with the length of its header, and these are the lengths there are.
_DIB: Final = tuple(n.to_bytes(4, "little") for n in (12, 40, 52, 56, 64, 108, 124))


def decode(content: bytes, min_side: int | None = None) -> Image.Image:
    """Decode the content of a PNG, JPEG, BMP, TIFF or WebP file to an upright 8-bit RGB image.

    The EXIF orientation is applied; unreadable EXIF data counts as upright. Of a JPEG with
    several pictures (MPO, as telephones write them) the first is taken. With `min_side`, in
    pixels, a JPEG at least twice as large on both sides is scaled down while it is decoded, by a
    power of two up to 8, and neither side gets shorter than `min_side`.

    Raises ImageError, with a reason of one line, for whatever is not one such image of at least
    8 x 8 pixels and at most `PIL.Image.MAX_IMAGE_PIXELS` pixels. No warning of Pillow gets out.
    """
    if min_side is not None and min_side < 1:
        raise UsageError(f"min_side is {min_side}: it must be at least 1")
    if not content:
        raise ImageError("empty file")
    try:
        with quiet():
            return _decode(content, min_side)
    except ImageError:
        raise
    except MemoryError:
        raise ImageError("not enough memory to decode it") from None
    except Image.DecompressionBombError:
        raise ImageError(f"more pixels than the limit of {Image.MAX_IMAGE_PIXELS}") from None
    except Exception as error:  # untrusted bytes can make a decoder fail in any way there is
        raise ImageError(f"truncated or damaged: {_one_line(error)}") from error


def check_size(width: int, height: int) -> None:
    """Raise ImageError unless both sides, in pixels, are long enough and the area is allowed."""
    limit = Image.MAX_IMAGE_PIXELS
    if min(width, height) < MIN_SIDE:
        raise ImageError(f"{width} x {height} pixels: smaller than {MIN_SIDE} on a side")
    if limit is not None and width * height > limit:
        raise ImageError(f"{width} x {height} pixels: more than the limit of {limit}")


def _decode(content: bytes, min_side: int | None) -> Image.Image:
    image = _open(content)
    check_size(*image.size)
    if getattr(image, "is_animated", False):
        # The pages of a TIFF are a chain, which a hostile file can make too long to count.
        tiff = isinstance(image, TiffImagePlugin.TiffImageFile)
        count = "several" if tiff else getattr(image, "n_frames", "several")
        raise ImageError(f"{count} frames: give one image per file")
    if min_side is not None and isinstance(image, JpegImageFile):
        image.draft(None, (min_side, min_side))
    image.load()
    return to_rgb(_upright(image))


def _open(content: bytes) -> ImageFile.ImageFile:
    # `Image.open` would do, but it hides the reason why a header is bad, and its check of the
    # size hides the size. Without it, MPO is simply JPEG: the first picture.
    file = BytesIO(content)
    if content.startswith(b"\xff\xd8\xff"):
        return JpegImageFile(file)
    if content.startswith(b"\x89PNG\r\n\x1a\n"):
        return PngImageFile(file)
    if content.startswith(b"BM"):
        return BmpImagePlugin.BmpImageFile(file)
    if content.startswith(_TIFF):
        return TiffImagePlugin.TiffImageFile(file)
    if content.startswith(b"RIFF") and content[8:12] == b"WEBP":
        return WebPImageFile(file)
    if content.startswith(_DIB):
        return BmpImagePlugin.DibImageFile(file)
    raise ImageError("not an image (PNG, JPEG, BMP, TIFF or WebP)")


def _upright(image: Image.Image) -> Image.Image:
    try:
        orientation = image.getexif().get(Base.Orientation, 1)
    except Exception:  # damaged metadata, while the pixels are sound
        return image
    return image if orientation == 1 else ImageOps.exif_transpose(image)


def _one_line(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."
