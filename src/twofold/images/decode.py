"""Decoding the bytes of one image file, trusting nothing in them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import Final

import numpy as np
from PIL import Image, ImageFile, ImageOps
from PIL.ExifTags import Base
from PIL.JpegImagePlugin import JpegImageFile

from twofold.errors import ConfigError, ImageError, UsageError
from twofold.images.colour import to_rgb
from twofold.images.deep import DeepPixels, read_deep
from twofold.images.mask import SIDEWAYS, Mask
from twofold.images.opening import (
    TiffFile,
    channel_bits,
    open_image,
    raw_mode,
)
from twofold.images.quiet import quiet

__all__ = [
    "decode",
    "deep_pixels",
    "header_orientation",
    "one_line",
    "orientation",
    "refusing",
    "upright",
]

_LONGEST_REASON: Final = 120  # characters of a decoder's message that still read as one line
_STEPS: Final = {"L;2": 85, "L;4": 17}  # from one grey of a PNG of 2 or 4 bits to the next


def decode(
    content: bytes,
    min_side: int | None = None,
    bit_depth: int | None = None,
    mask: Mask | None = None,
) -> Image.Image:
    """Decode the content of a PNG, JPEG, BMP, TIFF or WebP file to an upright 8-bit RGB image.

    The EXIF orientation is applied; unreadable EXIF data counts as upright. Of a JPEG with
    several pictures (MPO, as telephones write them) and of a TIFF with several pages the first is
    taken. With `min_side`, in pixels, a JPEG at least twice as large on both sides is scaled down
    while it is decoded, by a power of two up to 8, and neither side gets shorter than `min_side`.
    `bit_depth` says what integers of more than 8 bits mean; see `twofold.images.to_rgb`. What
    `mask` leaves out of the upright image gets the mean colour of the rest.

    Raises ImageError, with a reason of one line, for whatever is not one such image of at least
    8 x 8 pixels and at most `PIL.Image.MAX_IMAGE_PIXELS` pixels; ConfigError for a mask of another
    size. No warning of Pillow gets out.
    """
    if min_side is not None and min_side < 1:
        raise UsageError(f"min_side is {min_side}: it must be at least 1")
    with refusing():
        image = _open(content)
        if channel_bits(image) > 8:
            deep = _deep(image, content, mask)
            eight = _turn(to_rgb(deep.to_image(bit_depth)), orientation(image))
            return eight if mask is None else mask.painted(eight)
        whole = image.size
        if min_side is not None and isinstance(image, JpegImageFile):
            image.draft(None, (min_side, min_side))
        smaller = image.size != whole
        _load(image)
        found, fitting = to_rgb(upright(image)), mask
        if mask is not None and smaller:
            mask.check(whole[::-1] if orientation(image) in SIDEWAYS else whole)
            fitting = mask.resized(found.size)
            if fitting is None:  # too little is looked at to be seen in a smaller image
                return decode(content, mask=mask)
        return found if fitting is None else fitting.painted(found)


def deep_pixels(content: bytes, mask: Mask | None = None) -> DeepPixels | None:
    """Return the numbers of an image file with more than 8 bits a channel; None for any other.

    What `mask` leaves out is 0. Raises ImageError and ConfigError as `decode` does.
    """
    with refusing():
        image = _open(content)
        return None if channel_bits(image) <= 8 else _deep(image, content, mask)


def _deep(image: ImageFile.ImageFile, content: bytes, mask: Mask | None) -> DeepPixels:
    found = read_deep(image, content, lambda: _open(content))
    return found if mask is None else found.only(mask, orientation(image))


@contextmanager
def refusing() -> Iterator[None]:
    """Turn whatever untrusted pixels make Pillow raise into an ImageError of one line."""
    try:
        with quiet():
            yield
    except (ImageError, ConfigError):
        raise
    except MemoryError:
        raise ImageError("not enough memory to decode it") from None
    except Image.DecompressionBombError:
        raise ImageError(f"more pixels than the limit of {Image.MAX_IMAGE_PIXELS}") from None
    except Exception as error:  # untrusted bytes can make a decoder fail in any way there is
        raise ImageError(f"truncated or damaged: {one_line(error)}") from error


def _open(content: bytes) -> ImageFile.ImageFile:
    if not content:
        raise ImageError("empty file")
    return open_image(BytesIO(content))


def _load(image: ImageFile.ImageFile) -> None:
    step, key = _STEPS.get(raw_mode(image)), image.info.get("transparency")
    if step and isinstance(key, int):  # Pillow brings the greys to 0..255, but not this one
        image.info["transparency"] = key * step
    image.load()
    if isinstance(image, TiffFile) and image.signed and np.asarray(image).max() > 127:
        raise ImageError("8-bit pixels below zero: make the values 0 or more")


def upright(image: Image.Image) -> Image.Image:
    """Turn a loaded image as its EXIF data say."""
    return image if orientation(image) == 1 else ImageOps.exif_transpose(image)


def orientation(image: Image.Image) -> int:
    """How an image is turned, 1 to 8 as EXIF counts; 1, upright, where nothing sound is said."""
    return _orientation(image.getexif)


def header_orientation(image: Image.Image) -> int:
    """How an image is turned as far as its header tells; its pixels are not decoded."""
    return _orientation(lambda: Image.Image.getexif(image))


def _orientation(read: Callable[[], Image.Exif]) -> int:
    try:
        found = read().get(Base.Orientation, 1)
    except Exception:  # damaged metadata, while the pixels are sound
        return 1
    return found if found in range(1, 9) else 1


def _turn(image: Image.Image, turned: int) -> Image.Image:
    if turned == 1:
        return image
    image.getexif()[Base.Orientation] = turned
    return ImageOps.exif_transpose(image)


def one_line(error: Exception) -> str:
    """Return the message of a decoder's error as one line that can be printed."""
    text = " ".join(str(error).split()) or type(error).__name__
    text = text if text.isprintable() else ascii(text)
    return text if len(text) <= _LONGEST_REASON else text[: _LONGEST_REASON - 3] + "..."
