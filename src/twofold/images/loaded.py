"""One image that is read but not decoded, and where such images come from."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from io import BytesIO
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from PIL.PngImagePlugin import PngImageFile

from twofold.errors import ConfigError
from twofold.images.colour import to_rgb
from twofold.images.decode import (
    decode,
    deep_pixels,
    header_orientation,
    orientation,
    refusing,
)
from twofold.images.deep import DeepPixels
from twofold.images.depth import FULL_DEPTH
from twofold.images.mask import SIDEWAYS, Mask
from twofold.images.opening import (
    channel_bits,
    has_several_pages,
    is_deep_file,
    metadata_behind_pixels,
    open_image,
)
from twofold.images.reading import display_name, open_file, read_file

_JPEG = b"\xff\xd8"

__all__ = ["ContentItem", "FileItem", "Header", "Item", "LoadedImage"]


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
        mask: what of it is left out; None leaves out nothing.
        name: what to call it where the mask does not fit.
    """

    content: bytes
    pixels: NDArray[np.uint8] | DeepPixels | None = None
    bit_depth: int | None = None
    mask: Mask | None = None
    name: str = ""

    @cached_property
    def digest(self) -> str:
        """SHA-256 of what decides about the decoded pixels, 64 hexadecimal digits.

        That is the content alone, but for images of more than 8 bits also the bit depth, and for
        those with a mask also that.
        """
        content = hashlib.sha256(self.content)
        if isinstance(self.pixels, DeepPixels) or (
            self.pixels is None and is_deep_file(self.content)
        ):
            content.update(f"\nread with {self.bit_depth or FULL_DEPTH} bits".encode())
        if self.mask is not None:
            content.update(f"\nlooked at through {self.mask.digest}".encode())
        return content.hexdigest()

    def decode(self, min_side: int | None = None) -> Image.Image:
        """Return the image as 8-bit RGB; see `twofold.images.decode` for `min_side` and errors.

        An image in memory has nothing to gain from `min_side` and ignores it. What the mask leaves
        out has the mean colour of the rest. Raises ConfigError if the mask has another size.
        """
        with self._naming():
            if self.pixels is None:
                return decode(self.content, min_side, self.bit_depth, self.mask)
            with refusing():
                deep = self._deep_in_memory()
                if deep is not None:
                    image = to_rgb(deep.to_image(self.bit_depth))
                else:
                    assert isinstance(self.pixels, np.ndarray)
                    image = to_rgb(Image.fromarray(self.pixels))
                return image if self.mask is None else self.mask.painted(image)

    def decode_each(self, min_sides: Sequence[int]) -> list[Image.Image]:
        """Return the image for each `min_side`, as `decode` does, decoded no oftener than needed.

        One that is wanted at several sizes is the same at each of them whatever the others are.
        """
        found = {side: self.decode(side) for side in [max(min_sides)]}
        for side in sorted(set(min_sides), reverse=True)[1:]:
            latest = found[min(found)]
            found[side] = self.decode(side) if self._shrinks(latest.size, side) else latest
        return [found[side] for side in min_sides]

    def _shrinks(self, size: tuple[int, int], min_side: int) -> bool:
        """Whether an image that is decoded at this size could be decoded at a smaller one."""
        return self.pixels is None and min(size) >= 2 * min_side and self.content[:2] == _JPEG

    def deep(self) -> DeepPixels | None:
        """Return the numbers as they are stored if they have more than 8 bits a channel, or None.

        What the mask leaves out is 0. Raises ImageError and ConfigError as `decode` does.
        """
        with self._naming():
            if self.pixels is None:
                return deep_pixels(self.content, self.mask)
            return self._deep_in_memory()

    def _deep_in_memory(self) -> DeepPixels | None:
        if not isinstance(self.pixels, DeepPixels):
            return None
        return self.pixels if self.mask is None else self.pixels.only(self.mask)

    @contextmanager
    def _naming(self) -> Iterator[None]:
        """Say of a mask that does not fit whose it is."""
        try:
            yield
        except ConfigError as error:
            raise ConfigError(f"{self.name}: {error}") from error


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


@dataclass(frozen=True, eq=False)
class ContentItem:
    """The content of an image file that came from elsewhere, such as over a network."""

    name: str
    content: bytes

    def load(self) -> LoadedImage:
        """Take it as it is."""
        return LoadedImage(self.content)

    def header(self) -> Header:
        """Read the header of the file."""
        return file_header(BytesIO(self.content))


def file_header(file: Any) -> Header:
    """Read the header of an image file at whose start `file` stands."""
    start = file.tell()
    with refusing():
        image = open_image(file)
        deep, pages = channel_bits(image) > 8, has_several_pages(image)
        width, height = image.size
        whole = not isinstance(image, PngImageFile) or metadata_behind_pixels(file, start)
        if (orientation(image) if whole else header_orientation(image)) in SIDEWAYS:
            width, height = height, width
        return Header(width, height, deep, pages)
