"""Bringing every kind of pixel to 8-bit RGB."""

from __future__ import annotations

from typing import Final

import numpy as np
from PIL import Image

from twofold.errors import ImageError

__all__ = ["to_rgb"]

_GREY16: Final = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})
_NO_RANGE: Final = "32-bit pixels have no agreed range: convert to 8 or 16 bit"


def to_rgb(image: Image.Image) -> Image.Image:
    """Return `image` as 8-bit RGB, values 0 to 255; an RGB image without alpha comes back as is.

    16-bit grey is divided by 257, so that 65535 becomes 255. Transparent pixels are composited
    over white, so a colour hidden under zero alpha has no influence. Only colours change: turning
    by the EXIF orientation is the work of `twofold.images.decode`.

    Raises ImageError for 32-bit integers beyond 16 bit and for floating point pixels, which have
    no agreed range.
    """
    if image.mode == "F":
        raise ImageError(_NO_RANGE)
    if image.mode == "I" or image.mode in _GREY16:
        return _from_grey16(image)
    if image.has_transparency_data:
        return _over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


def _from_grey16(image: Image.Image) -> Image.Image:
    values = np.asarray(image).astype(np.int32)
    if values.size and not 0 <= values.min() <= values.max() <= 65535:
        raise ImageError(_NO_RANGE)
    grey = ((values + 128) // 257).astype(np.uint8)  # 65535 / 255 = 257, to the nearest
    see_through = image.info.get("transparency")
    if see_through is not None:
        grey[values == see_through] = 255
    return Image.fromarray(grey).convert("RGB")


def _over_white(image: Image.Image) -> Image.Image:
    if image.mode == "RGB" and max(image.info["transparency"]) > 255:
        # A 16-bit PNG: Pillow keeps the upper byte of the pixels but both of the colour key.
        image = image.copy()
        image.info["transparency"] = tuple(v >> 8 for v in image.info["transparency"])
    if image.mode == "La":  # premultiplied grey, which Pillow converts to LA alone
        image = image.convert("LA")
    if image.mode != "RGBA":
        image = image.convert("RGBA")
    canvas = Image.new("RGB", image.size, "white")
    canvas.paste(image, mask=image)
    return canvas
