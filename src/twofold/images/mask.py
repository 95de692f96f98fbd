"""Which pixels of one image are looked at."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from twofold.errors import ConfigError

__all__ = ["SIDEWAYS", "Mask", "Size"]

Flags = NDArray[np.bool_]
Size = tuple[int, int]
"""Width and height in pixels."""

SIDEWAYS = (5, 6, 7, 8)
"""EXIF orientations under which width and height change places."""

# Orientations that turn the rows around, and the columns, once the axes are changed back.
_TURNED = ((3, 4, 6, 7), (2, 3, 7, 8))
_ROWS = 512
# A JPEG that is made smaller while it is decoded mixes the pixels of blocks of 8 x 8.
_BLOCK = 8


@dataclass(frozen=True, eq=False)
class Mask:
    """Which pixels of an image are looked at; nothing is to depend on the others.

    Attributes:
        name: which it is, as it stands in messages behind "the mask"; may be empty.
        looked_at: bool (h, w) of the upright image, True somewhere.
    """

    name: str
    looked_at: Flags

    @property
    def called(self) -> str:
        """What to call it in messages."""
        return f"the mask {self.name}".rstrip()

    @property
    def size(self) -> Size:
        """Width and height."""
        return self.looked_at.shape[1], self.looked_at.shape[0]

    @cached_property
    def digest(self) -> str:
        """SHA-256 of size and pixels, 64 hexadecimal digits."""
        found = hashlib.sha256(f"{self.looked_at.shape}".encode())
        found.update(np.packbits(self.looked_at).tobytes())
        return found.hexdigest()

    def check(self, size: Size) -> None:
        """Refuse an image of another size.

        Raises:
            ConfigError: it has one.
        """
        if size != self.size:
            raise ConfigError(
                f"{self.called} has {self.size[0]} x {self.size[1]} pixels, and the image "
                f"{size[0]} x {size[1]}"
            )

    def resized(self, size: Size) -> Mask | None:
        """The mask of the same image made smaller, or None where it would leave nothing.

        A pixel is left out if any of what it is made of is, or lies within 8 pixels of that.
        """
        if size == self.size:
            return self
        ignored = ~self.looked_at
        for axis, length in enumerate(reversed(size)):
            starts = np.arange(length) * ignored.shape[axis] // length
            ignored = np.logical_or.reduceat(ignored, starts, axis=axis)
        scale = max(1, round(self.size[0] / size[0]))
        grown = Image.fromarray(ignored.astype(np.uint8) * 255).filter(
            ImageFilter.MaxFilter(2 * max(1, _BLOCK // scale) + 1)
        )
        looked_at = np.asarray(grown) == 0
        return Mask(self.name, looked_at) if looked_at.any() else None

    def stored(self, size: Size, orientation: int) -> Flags:
        """The mask as the pixels of a file lie, bool (h, w).

        Args:
            size: of the image as stored.
            orientation: 1 to 8, as EXIF counts them.

        Raises:
            ConfigError: the image has another size.
        """
        self.check(size[::-1] if orientation in SIDEWAYS else size)
        found = self.looked_at.T if orientation in SIDEWAYS else self.looked_at
        down, right = (-1 if orientation in turned else 1 for turned in _TURNED)
        return found[::down, ::right]

    def painted(self, image: Image.Image) -> Image.Image:
        """An RGB image, what is left out in the mean colour of the rest.

        Raises:
            ConfigError: it has another size.
        """
        self.check(image.size)
        pixels = np.array(image)
        shown = pixels[self.looked_at]
        pixels[~self.looked_at] = np.rint(shown.sum(axis=0, dtype=np.int64) / len(shown))
        return Image.fromarray(pixels)

    def places(self, grid: tuple[int, int]) -> Flags:
        """The places of a grid that are looked at: those of whose cell at least half is.

        Args:
            grid: rows and columns; the image is squeezed into it.

        Returns:
            bool (rows, columns).

        Raises:
            ConfigError: there is none.
        """
        down, right = (
            _shares(n, length) for n, length in zip(grid, self.looked_at.shape, strict=True)
        )
        # Some rows at a time, as numbers take more memory than truth values.
        across = [
            self.looked_at[start : start + _ROWS].astype(np.float64) @ right.T
            for start in range(0, self.looked_at.shape[0], _ROWS)
        ]
        # Sums of shares round.
        found = down @ np.concatenate(across) >= 0.5 - 1e-9
        if not found.any():
            raise ConfigError(
                f"{self.called} leaves no place of {grid[0]} x {grid[1]} to look at: leave out less"
            )
        return np.asarray(found)


def _shares(n: int, length: int) -> NDArray[np.float64]:
    """How much of each of n equal parts of a side each of its pixels makes up, (n, length)."""
    edges, pixels = np.arange(n + 1) * (length / n), np.arange(length)
    starts, stops = edges[:-1, None], edges[1:, None]
    shared = np.minimum(stops, pixels + 1) - np.maximum(starts, pixels)
    return np.asarray(np.maximum(shared, 0.0) * (n / length))
