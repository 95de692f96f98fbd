"""Bringing every kind of pixel to 8-bit RGB."""

from __future__ import annotations

import numpy as np
from PIL import Image

from twofold.images.deep import DEEP_MODES, deep_grey
from twofold.images.depth import unit_to_eight_bit
from twofold.images.opening import white_is_zero

__all__ = ["to_rgb"]


def to_rgb(image: Image.Image, bit_depth: int | None = None) -> Image.Image:
    """Return `image` as 8-bit RGB, values 0 to 255; an RGB image without alpha comes back as is.

    Integers of more than 8 bits are read with `bit_depth` (9 to 16; None stands for 16): value *
    255 / (2**bit_depth - 1), rounded. Floating point pixels from 0 to 1 are multiplied by 255.
    Transparent pixels are composited over white, so a colour hidden under zero alpha has no
    influence. Colour profiles are not applied. Only colours change: turning by the EXIF
    orientation is the work of `twofold.images.decode`.

    Raises ImageError for integers beyond the bit depth and floating point pixels outside 0..1.
    """
    if image.mode == "F":
        grey = unit_to_eight_bit(np.asarray(image), inverted=white_is_zero(image))
        return Image.fromarray(grey).convert("RGB")
    if image.mode in DEEP_MODES:
        pixels = deep_grey(image, white_is_zero=white_is_zero(image))
        return pixels.to_image(bit_depth).convert("RGB")
    if image.has_transparency_data:
        return _over_white(image)
    return image if image.mode == "RGB" else image.convert("RGB")


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
