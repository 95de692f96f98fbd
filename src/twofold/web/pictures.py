"""Pictures of the page: images as they are decoded, encoded anew, and their anomaly maps.

No file is sent as it is. What the browser gets was decoded by the library's own checked reader and
encoded again, so nothing that a file holds besides its pixels (metadata, scripts, a second format)
reaches the browser.
"""

from __future__ import annotations

import io
import math
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.detector.maps import heat_layer

__all__ = [
    "MAX_PIXELS",
    "SCREEN_SIDE",
    "Picture",
    "map_picture",
    "original_picture",
    "screen_picture",
]

SCREEN_SIDE: Final = 1600
"""Longer side in pixels of what is sent first: sharp on a usual screen, some 300 KB as JPEG."""

MAX_PIXELS: Final = 40_000_000
"""Of the original pixels; a browser holds 4 bytes for each. Larger images are made smaller."""

# Up to here PNG, without any loss: it takes 50 ms at most, and elpv's cells are 90,000 pixels.
_LOSSLESS_PIXELS: Final = 1_000_000


@dataclass(frozen=True)
class Picture:
    """What is sent for one image.

    Attributes:
        content: of the file.
        media_type: of HTTP.
        size: width and height of the image itself, in pixels, however many are sent.
        clear: of a heat map: it has no colour anywhere.
    """

    content: bytes
    media_type: str
    size: tuple[int, int]
    clear: bool = False


def screen_picture(image: Image.Image, size: tuple[int, int]) -> Picture:
    """An image (RGB), decoded at any scale, no larger than a screen; ``size`` is its own."""
    return _encoded(_within(image, SCREEN_SIDE, SCREEN_SIDE**2), size, quality=90)


def original_picture(image: Image.Image) -> Picture:
    """An image (RGB) with its own pixels, up to :data:`MAX_PIXELS` of them."""
    return _encoded(_within(image, max(image.size), MAX_PIXELS), image.size, quality=97)


def map_picture(
    size: tuple[int, int], grid: NDArray[np.float64], low: float, high: float
) -> Picture:
    """An anomaly map as colours to be laid over its image, clear where nothing is odd.

    Args:
        size: width and height of the image.
        grid: float64 (rows, columns), larger = more anomalous; squeezed as the image was.
        low: up to here nothing is coloured.
        high: from here on fully red.
    """
    # The browser stretches it over the image; a few hundred pixels are as smooth as thousands.
    small = _fitting(size, 512, 512**2)
    spread = Image.fromarray(grid.astype(np.float32)).resize(small, Image.Resampling.BILINEAR)
    layer = heat_layer(np.asarray(spread), low, high)
    clear = bool(grid.max() <= low)
    return Picture(_file(layer, "PNG", compress_level=1), "image/png", size, clear)


def _fitting(size: tuple[int, int], side: int, pixels: int) -> tuple[int, int]:
    """The size scaled down, if need be, to a longest side and a number of pixels."""
    share = min(1.0, side / max(size), math.sqrt(pixels / (size[0] * size[1])))
    return max(1, int(size[0] * share)), max(1, int(size[1] * share))


def _within(image: Image.Image, side: int, pixels: int) -> Image.Image:
    small = _fitting(image.size, side, pixels)
    return image if small == image.size else image.resize(small, Image.Resampling.LANCZOS)


def _encoded(image: Image.Image, size: tuple[int, int], quality: int) -> Picture:
    if image.width * image.height <= _LOSSLESS_PIXELS:
        return Picture(_file(image, "PNG", compress_level=1), "image/png", size)
    content = _file(image, "JPEG", quality=quality, subsampling=0)
    return Picture(content, "image/jpeg", size)


def _file(image: Image.Image, kind: str, **options: int) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()
