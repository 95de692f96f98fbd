"""Images that the user has opened or made with Pillow."""

from __future__ import annotations

import os
import threading
from contextlib import suppress
from dataclasses import dataclass
from io import BytesIO
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile, TiffImagePlugin
from PIL.PngImagePlugin import PngImageFile

from twofold.errors import ImageError
from twofold.images.colour import to_rgb
from twofold.images.decode import refusing, upright
from twofold.images.deep import DEEP_MODES, deep_grey
from twofold.images.depth import unit_to_eight_bit
from twofold.images.loaded import Header, LoadedImage, file_header
from twofold.images.opening import (
    check_size,
    is_deep_file,
    is_readable,
    white_is_zero,
)
from twofold.images.reading import open_file

__all__ = ["ONE_AT_A_TIME", "PictureItem"]

ONE_AT_A_TIME: Final = threading.RLock()
"""Pillow's images, and most data sets, change inside while they are read."""

_KNOWN_BY_FRAME: Final = {"TIFF", "MPO"}  # formats of which one page is one picture
_HEADER: Final = 64  # bytes, of which a PNG needs 25 to tell its depth


@dataclass(frozen=True, eq=False)
class PictureItem:
    """One image of Pillow. Do not change it while it is in use."""

    name: str
    image: Image.Image

    def load(self) -> LoadedImage:
        """Read the file of an image that is only opened, else the pixels in memory."""
        with ONE_AT_A_TIME, refusing():
            content = _unread(self.image)
            if content is not None:
                return LoadedImage(content)
            return _in_memory(self.image)

    def header(self) -> Header:
        """Tell size and depth."""
        with ONE_AT_A_TIME, refusing():
            content = _unread(self.image)
            if content is not None:
                return file_header(BytesIO(content))
            check_size(*self.image.size)
            return Header(*self.image.size, deep=self.image.mode in DEEP_MODES)


def _unread(image: Image.Image) -> bytes | None:
    """Return the file's content if an image is opened but not loaded, nor at another frame.

    Such an image has nothing that its file does not have, and Pillow would keep only 8 bits of
    16-bit colours.
    """
    if not isinstance(image, ImageFile.ImageFile) or not image.tile or image.fp is None:
        return None
    if image.tell() or image.decoderconfig:  # another frame, a draft of another size
        return None
    with suppress(OSError, ValueError):  # closed in the meantime
        position = image.fp.tell()
        image.fp.seek(0)
        content: bytes = image.fp.read()
        image.fp.seek(position)
        return content if is_readable(content) else None
    return None


def _in_memory(image: Image.Image) -> LoadedImage:
    check_size(*image.size)
    if getattr(image, "is_animated", False) and getattr(image, "format", "") not in _KNOWN_BY_FRAME:
        raise ImageError("several frames: give one of them, as image.copy()")
    image.load()
    if _has_lost_bits(image):
        raise ImageError(
            "Pillow has kept only the upper 8 bits of this image's 16-bit colours: give its path, "
            "or an array"
        )
    inverted = white_is_zero(image)
    image = upright(image)
    if image.mode in DEEP_MODES:
        pixels = deep_grey(image, white_is_zero=inverted)
        extra = f"{pixels.see_through} {inverted} " if pixels.see_through or inverted else ""
        return LoadedImage(_content(pixels.values, extra), pixels)
    values = _eight_bit(image, inverted=inverted)
    return LoadedImage(_content(values), values)


def _eight_bit(image: Image.Image, *, inverted: bool) -> NDArray[np.uint8]:
    if image.mode == "F":
        return unit_to_eight_bit(np.asarray(image), inverted=inverted)
    plain = image.mode == "L" and not image.has_transparency_data
    return np.asarray(image if plain else to_rgb(image))


def _content(values: NDArray[Any], extra: str = "") -> bytes:
    """As of an array with the same pixels, so that the digests are equal."""
    shape = "x".join(map(str, values.shape))
    return f"array {extra}{values.dtype} {shape}\n".encode() + values.tobytes()


def _has_lost_bits(image: Image.Image) -> bool:
    """Tell whether a loaded image comes from a file with more bits than Pillow has kept."""
    if image.mode in DEEP_MODES:
        return False
    if isinstance(image, TiffImagePlugin.TiffImageFile) and image.mode != "F":
        bits = image.tag_v2.get(TiffImagePlugin.BITSPERSAMPLE, (1,))
        return max(bits, default=1) > 8 if isinstance(bits, tuple) else False
    if isinstance(image, PngImageFile) and image.filename:
        with suppress(ImageError), open_file(os.fsdecode(image.filename)) as file:
            return is_deep_file(file.read(_HEADER))
    return False
