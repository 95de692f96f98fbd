"""One image that is read but not decoded, and where such images come from."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.images.colour import to_rgb
from twofold.images.decode import decode, deep_pixels, orientation, refusing
from twofold.images.deep import DeepPixels
from twofold.images.depth import FULL_DEPTH
from twofold.images.opening import (
    channel_bits,
    has_several_pages,
    is_deep_file,
    open_image,
)
from twofold.images.reading import display_name, open_file, read_file

__all__ = ["FileItem", "Header", "Item", "LoadedImage"]

# Orientations of EXIF from which on width and height change places.
_LYING = 5


@dataclass(frozen=True)
class Header:
    """What is known of an image before its pixels are decoded.

    Attributes:
        width: in pixels, of the upright image.
        height: in pixels, of the upright image.
        deep: integers of more than 8 bits a channel.
        pages: a file of several pages, of which the first is the image.
    """

    width: int
    height: int
    deep: bool = False
    pages: bool = False


@dataclass(frozen=True, eq=False)
class LoadedImage:
    """The content of one image, read but not decoded.

    Attributes:
        content: the file's bytes, or for an image in memory a header of its dtype and shape before
            its pixels.
        pixels: None for a file; else a uint8 array (h, w), (h, w, 3) or (h, w, 4), or pixels with
            more bits.
        bit_depth: of integers of more than 8 bits a channel; None stands for 16.
    """

    content: bytes
    pixels: NDArray[np.uint8] | DeepPixels | None = None
    bit_depth: int | None = None

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides about the decoded pixels, 64 hexadecimal digits.

        That is the content alone, but for images of more than 8 bits also the bit depth.
        """
        content = hashlib.sha256(self.content)
        if isinstance(self.pixels, DeepPixels) or (
            self.pixels is None and is_deep_file(self.content)
        ):
            content.update(f"\nread with {self.bit_depth or FULL_DEPTH} bits".encode())
        return content.hexdigest()

    def decode(self, min_side: int | None = None) -> Image.Image:
        """Return the image as 8-bit RGB; see `twofold.images.decode` for `min_side` and errors.

        An image in memory has nothing to gain from `min_side` and ignores it.
        """
        if self.pixels is None:
            return decode(self.content, min_side, self.bit_depth)
        with refusing():
            if isinstance(self.pixels, DeepPixels):
                return to_rgb(self.pixels.to_image(self.bit_depth))
            return to_rgb(Image.fromarray(self.pixels))

    def deep(self) -> DeepPixels | None:
        """Return the numbers as they are stored if they have more than 8 bits a channel, or None.

        Raises ImageError as `decode` does.
        """
        if self.pixels is None:
            return deep_pixels(self.content)
        return self.pixels if isinstance(self.pixels, DeepPixels) else None


class Item(Protocol):
    """Where one image of an `ImageSet` comes from; safe to call from several threads at once."""

    @property
    def name(self) -> str:
        """What to call the image, printable as UTF-8."""

    def load(self) -> LoadedImage:
        """Read the content once; raises ImageError with the reason if that fails."""

    def header(self) -> Header:
        """Tell size and depth at the least cost; raises ImageError or whatever Pillow raises."""


@dataclass(frozen=True)
class FileItem:
    """An image file."""

    path: str

    @property
    def name(self) -> str:
        """The path as found."""
        return display_name(self.path)

    def load(self) -> LoadedImage:
        """Read the file."""
        return LoadedImage(read_file(self.path))

    def header(self) -> Header:
        """Read the header of the file."""
        with open_file(self.path) as file:
            return file_header(file)


def file_header(file: Any) -> Header:
    """Read the header of an image file at whose start `file` stands."""
    with refusing():
        image = open_image(file)
        deep, pages = channel_bits(image) > 8, has_several_pages(image)
        width, height = image.size
        if orientation(image) >= _LYING:
            width, height = height, width
        return Header(width, height, deep, pages)
