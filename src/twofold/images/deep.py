"""Pixels of more than 8 bits a channel, with all of their bits."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile
from PIL.PngImagePlugin import PngImageFile

from twofold.errors import ImageError
from twofold.images.depth import FULL_DEPTH, least_depth, to_eight_bit
from twofold.images.mask import Mask
from twofold.images.opening import PNG, TiffFile, channel_bits, raw_mode, raw_modes, unpack_as

__all__ = ["DEEP_MODES", "DeepPixels", "deep_grey", "read_deep"]

DEEP_MODES: Final = frozenset({"I", "I;16", "I;16L", "I;16B", "I;16N"})
"""Modes in which Pillow itself keeps more than 8 bits; of colours it keeps the upper 8 only."""

_ALPHA: Final = frozenset({"LA", "RGBA", "RGBa"})
_MOST_CHUNKS: Final = 1000  # before the pixels of a PNG; real files have a dozen


@dataclass(frozen=True, eq=False)
class DeepPixels:
    """The numbers of one image as they are stored.

    Attributes:
        values: integers in native byte order, (h, w) for grey or (h, w, channels).
        mode: Pillow's name of the channels: L, LA, RGB, RGBA, RGBa or CMYK.
        white_is_zero: grey, and 0 stands for white.
        see_through: the stored colour that stands for transparent, if any.
        own_depth: of a file format that leaves no doubt, such as 12-bit TIFF; else None.
        stated: bits that the file says the values have, if the values agree; else None.
    """

    values: NDArray[Any]
    mode: str = "L"
    white_is_zero: bool = False
    see_through: tuple[int, ...] | None = None
    own_depth: int | None = None
    stated: int | None = None

    @property
    def largest(self) -> int:
        """Largest value of grey or colour; how opaque a pixel is has a range of its own."""
        return int(self.colours.max(initial=0))

    @property
    def depth(self) -> int:
        """The bit depth that this image alone speaks for: as stated, else as its values need."""
        return self.own_depth or self.stated or least_depth(self.largest)

    @property
    def colours(self) -> NDArray[Any]:
        """The values without those of alpha."""
        return self.values[..., :-1] if self.mode in _ALPHA else self.values

    def only(self, mask: Mask, orientation: int = 1) -> DeepPixels:
        """Return the image with 0 wherever a mask leaves something out.

        Args:
            mask: of the upright image.
            orientation: of these numbers, as EXIF counts it.

        Raises:
            ConfigError: the mask has another size.
        """
        looked_at = mask.stored(self.values.shape[1::-1], orientation)
        shape = looked_at.shape + (1,) * (self.values.ndim - 2)
        return replace(self, values=self.values * looked_at.reshape(shape))

    def to_image(self, bit_depth: int | None) -> Image.Image:
        """Return the image with 8 bits a channel, in Pillow's mode `mode`.

        Args:
            bit_depth: of values without a depth of their own; None stands for all 16 bits.

        Raises:
            ImageError: a value lies outside.
        """
        depth = self.own_depth or bit_depth or FULL_DEPTH
        eight = to_eight_bit(self.colours, depth, inverted=self.white_is_zero)
        if self.mode in _ALPHA:
            alpha = self.values[..., -1:]
            fits = alpha.max(initial=0) < 2**depth
            eight = np.concatenate([eight, to_eight_bit(alpha, depth if fits else FULL_DEPTH)], 2)
        if self.see_through is not None:
            hidden = self.values.reshape(*eight.shape[:2], -1) == np.array(self.see_through)
            eight[hidden.all(axis=2)] = 255
        return Image.frombytes(self.mode, eight.shape[1::-1], np.ascontiguousarray(eight).tobytes())


def deep_grey(image: Image.Image, *, white_is_zero: bool = False) -> DeepPixels:
    """Return the numbers of a loaded image in one of `DEEP_MODES`."""
    values = np.asarray(image)
    key = image.info.get("transparency")
    return DeepPixels(
        values.astype(values.dtype.newbyteorder("=")),
        white_is_zero=white_is_zero,
        see_through=(key,) if isinstance(key, int) else None,
    )


def read_deep(
    image: ImageFile.ImageFile, content: bytes, reopen: Callable[[], ImageFile.ImageFile]
) -> DeepPixels:
    """Read all the bits of an opened file with more than 8 a channel.

    Args:
        image: opened, not loaded; it is loaded here.
        content: of the file.
        reopen: opens the file once more.

    Raises:
        ImageError: the bits cannot be had; and whatever Pillow raises for damaged pixels.
    """
    raw = raw_mode(image)
    if image.mode in DEEP_MODES:
        image.load()
        pixels = deep_grey(image, white_is_zero=getattr(image, "white_is_zero", False))
    elif raw == "LA;16B":
        pixels = DeepPixels(_grey_with_alpha(image), "LA")
    else:
        pixels = _colour(image, raw, reopen)
    return _with_statement(pixels, image, content)


def _grey_with_alpha(image: ImageFile.ImageFile) -> NDArray[Any]:
    # The two bytes of grey and the two of alpha, read as the four channels of 8-bit RGBA.
    unpack_as(image, "RGBA")
    image.load()
    pairs = np.asarray(image).astype(np.uint16)
    return pairs[..., 0::2] << 8 | pairs[..., 1::2]


def _colour(
    image: ImageFile.ImageFile, raw: str, reopen: Callable[[], ImageFile.ImageFile]
) -> DeepPixels:
    """Join the upper bytes of the channels with the lower ones, which a second decoding gives."""
    mode = image.mode
    if isinstance(image, TiffFile) and image.separate:
        if image.use_load_libtiff:
            raise ImageError(
                "16-bit colour in compressed planes, one a channel, cannot be read: save it "
                "without compression or with interleaved channels"
            )
        raws = raw_modes(image)
    else:
        raws = [raw]
    if raw.startswith("RGBa"):  # colours already multiplied by alpha: not to be divided by halves
        mode, raws = "RGBa", ["RGBA" + raw[4:]]
    low = reopen()
    unpack_as(image, *raws)
    unpack_as(low, *(name[:-1] + _OTHER_BYTE[name[-1]] for name in raws))
    for half in (image, low):
        half.load()
    values = np.asarray(image).astype(np.uint16) << 8 | np.asarray(low)
    key = image.info.get("transparency")
    see_through = key if isinstance(key, tuple) else None
    return DeepPixels(values, mode, see_through=see_through)


# Pillow keeps one byte of each pair: which one depends on the byte order it is told.
_OTHER_BYTE: Final = {"B": "L", "L": "B", "N": "B" if sys.byteorder == "little" else "L"}


def _with_statement(pixels: DeepPixels, image: ImageFile.ImageFile, content: bytes) -> DeepPixels:
    """Add what the file says of the depth, unless the values contradict it."""
    own = channel_bits(image)
    if 8 < own < FULL_DEPTH:
        return replace(pixels, own_depth=own)
    stated = None
    if isinstance(image, TiffFile) and image.largest_stated:
        stated = least_depth(image.largest_stated)
    elif isinstance(image, PngImageFile):
        stated = _stated_by_png(pixels, content)
    fits = stated is not None and pixels.largest < 2**stated
    return replace(pixels, stated=stated) if fits else pixels


def _stated_by_png(pixels: DeepPixels, content: bytes) -> int | None:
    bits = _significant_bits(content)
    # Values that leave the lower bits empty were moved up to the full range, as the standard of
    # PNG would have it; values in the lower bits were not.
    spare = 2 ** (FULL_DEPTH - bits) - 1
    in_lower_bits = bits == FULL_DEPTH or bool((pixels.colours & spare).any())
    return least_depth(2**bits - 1) if bits and in_lower_bits else None


def _significant_bits(content: bytes) -> int:
    """Return the number in the chunk sBIT of a PNG file, 1 to 16; 0 if there is none."""
    for kind, body in islice(_chunks(content), _MOST_CHUNKS):
        if kind == b"sBIT" and body:
            bits = max(body[:3] if len(body) > 2 else body[:1])
            return bits if bits <= FULL_DEPTH else 0
        if kind == b"IDAT":
            break
    return 0


def _chunks(content: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Yield the kind and the first bytes of each chunk of a PNG file."""
    place = len(PNG)
    while place + 8 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        yield content[place + 4 : place + 8], content[place + 8 : place + 8 + min(length, 16)]
        place += length + 12
