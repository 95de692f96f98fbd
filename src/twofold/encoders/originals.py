"""The images behind encoded ones, to be looked at once more in another way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, Mask

if TYPE_CHECKING:
    from twofold.encoders.encode import FrozenEncoder

__all__ = ["Originals"]

Size = tuple[int, int]


@dataclass(frozen=True, eq=False)
class Originals:
    """The files (or arrays) of encoded images, and how they were encoded.

    Attributes:
        images: one for each row, all of which could be decoded.
        frozen: what encoded them.
    """

    images: ImageSet
    frozen: FrozenEncoder

    def subset(self, rows: NDArray[np.integer]) -> Originals:
        """Those of the given rows."""
        return Originals(self.images.subset(rows), self.frozen)

    def encode(
        self, outputs: Sequence[str], digests: Sequence[str]
    ) -> dict[str, NDArray[np.float32]]:
        """More outputs of the same images, by name.

        Args:
            outputs: their names.
            digests: of the images, as they were.

        Raises:
            ImageSourceError: an image has changed or gone meanwhile.
        """
        encoded = self.frozen.with_outputs(outputs).encode(self.images, strict=True)
        for name, before, now in zip(self.images.names, digests, encoded.digests, strict=True):
            if before != now:
                raise ImageSourceError(f"{name}: the file has changed since it was first read")
        return encoded.arrays

    def pixels(self, row: int, most: int | None = None) -> NDArray[np.uint8]:
        """One image as decoded, uint8 (h, w, 3).

        Args:
            row: which.
            most: longer side in pixels to which a larger image is reduced.

        Raises:
            ImageSourceError: it has changed or gone.
        """
        try:
            image = self.images.load(row).decode(most)
        except ImageError as error:
            raise ImageSourceError(f"{self.images.names[row]}: {error}") from error
        if most is not None and max(image.size) > most:
            width, height = (max(1, round(side * most / max(image.size))) for side in image.size)
            image = image.resize((width, height), Image.Resampling.BICUBIC)
        return np.asarray(image, dtype=np.uint8)

    def mask(self, row: int, size: Size) -> Mask | None:
        """What is left out of one image, for its pixels at a size; None if nothing is.

        Args:
            row: which.
            size: width and height to which it is reduced.

        Raises:
            ConfigError: the mask cannot be used.
        """
        masks = self.images.masks
        whole = None if masks is None else masks.of(self.images.names[row])
        return None if whole is None else whole.resized(size)

    def looked_at(self, grid: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Places of a grid at which each image is looked at, bool (n, places); None for all.

        Args:
            grid: rows and columns.

        Raises:
            ConfigError: a mask cannot be used, or leaves no place of the grid.
        """
        if self.images.masks is None or not len(self.images):
            return None
        each = [self.images.looked_at(row, grid) for row in range(len(self.images))]
        found = np.stack([places.ravel() for places in each if places is not None])
        return None if found.all() else found

    def sizes(self) -> list[Size]:
        """Width and height of each image, upright, in pixels; headers are read, no pixels.

        Raises:
            ImageSourceError: an image has changed or gone.
        """
        return self._sizes

    @cached_property
    def _sizes(self) -> list[Size]:
        """Read once: a header of a data set's item is the whole item."""
        found = []
        for row in range(len(self.images)):
            try:
                header = self.images.header(row)
            except ImageError as error:
                raise ImageSourceError(f"{self.images.names[row]}: {error}") from error
            assert header is not None
            found.append((header.width, header.height))
        return found
