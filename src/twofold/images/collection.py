"""An ordered collection of named images that are read and decoded one at a time."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.images.depth import check_bit_depth
from twofold.images.loaded import ContentItem, FileItem, Header, Item, LoadedImage
from twofold.images.masks import Masks
from twofold.images.memory import DatasetItem, array_items
from twofold.images.remote import file_items

__all__ = ["ImageSet", "Problem"]


@dataclass(frozen=True)
class Problem:
    """One unusable image.

    `path` is the image's name as `ImageSet.names` gives it, `reason` one line for the user.
    """

    path: str
    reason: str


@dataclass(frozen=True, eq=False, repr=False)
class ImageSet:
    """An ordered, immutable collection of named images, none of them decoded yet.

    Build one with `find_images`, `from_paths`, `from_contents` or `from_array`. Every
    method may be called from several threads at once.

    Attributes:
        bit_depth: with which integers of more than 8 bits a channel are read, 9 to 16; None if
            nobody has stated it, and then they are divided over all 16 bits. It is without
            influence on 8-bit images.
        masks: what is left out of the images; None leaves out nothing.
    """

    _items: tuple[Item, ...]
    bit_depth: int | None = None
    masks: Masks | None = None

    @classmethod
    def from_paths(cls, paths: Iterable[str | os.PathLike[str]]) -> ImageSet:
        """Collect image files in the order given; none is looked at before it is loaded."""
        return cls(file_items(os.fspath(path) for path in paths))

    @classmethod
    def from_contents(cls, contents: Iterable[bytes]) -> ImageSet:
        """Collect image files by their content, in the order given: they need not be on a disk.

        What is checked is what is checked of files. Their names are "file[0]", "file[1]" and so on.
        """
        return cls(tuple(ContentItem(f"file[{i}]", one) for i, one in enumerate(contents)))

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> ImageSet:
        """Collect the images of an array of uint8, uint16 or floating point numbers from 0 to 1.

        Its shape is (n, h, w, 3), (n, h, w, 4) with alpha, (n, h, w, 1) or (n, h, w) for grey, or
        that of one image: (h, w), (h, w, 1), (h, w, 3) or (h, w, 4). The array is not copied: do
        not change it while the collection is in use.

        Raises ImageSourceError for any other dtype or shape, and for an empty array.
        """
        return cls(array_items(array))

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What to call each image: its path as found, always printable as UTF-8, or "array[12]"."""
        return tuple(item.name for item in self._items)

    def __len__(self) -> int:
        return len(self._items)

    def __repr__(self) -> str:
        return f"<ImageSet of {len(self)} images>"

    def load(self, index: int) -> LoadedImage:
        """Read the content of one image, once; raises ImageError with the reason if it cannot.

        Raises ConfigError if its mask cannot be used.
        """
        loaded = self._items[index].load()
        if self.bit_depth is not None:
            loaded = replace(loaded, bit_depth=self.bit_depth)
        mask = None if self.masks is None else self.masks.of(self.names[index])
        return loaded if mask is None else replace(loaded, mask=mask, name=self.names[index])

    def read_bytes(self, index: int) -> bytes:
        """Return the content that the digest of image `index` covers; raises ImageError."""
        return self.load(index).content

    def header(self, index: int, *, read_items: bool = True) -> Header | None:
        """Tell size and depth of one image without decoding it; raises ImageError.

        Returns None for an item of a data set, unless it may be read for that.
        """
        item = self._items[index]
        return None if isinstance(item, DatasetItem) and not read_items else item.header()

    def subset(self, indices: Sequence[int] | NDArray[np.integer[Any]]) -> ImageSet:
        """Return the images at `indices`, in that order, under the names they have here."""
        return replace(self, _items=tuple(self._items[i] for i in indices))

    def joined(self, others: ImageSet) -> ImageSet:
        """Return these images and then the others, read as these are."""
        return replace(self, _items=self._items + others._items)

    def by_time(self) -> ImageSet:
        """Return the images by when their files were last changed, the earliest first.

        Of those changed at once the order stays. Files that are not there come last, as they do in
        the errors about them; images that are no files come first.
        """
        return self.subset(np.argsort([_changed(item) for item in self._items], kind="stable"))

    def at_depth(self, depth: int | None) -> ImageSet:
        """Return the same images, read with another `bit_depth`.

        Raises ConfigError unless it is None or a whole number of 9 to 16.
        """
        return replace(self, bit_depth=check_bit_depth(depth))

    def masked(self, masks: Masks | None) -> ImageSet:
        """Return the same images, of which other parts are left out; None leaves out nothing.

        Those pixels are decoded as the mean colour of the others of their image, so that what they
        showed has no influence on anything.
        """
        return replace(self, masks=None if masks is None else masks.fresh())

    def looked_at(self, index: int, grid: tuple[int, int]) -> NDArray[np.bool_] | None:
        """Return the places of a grid at which an image is looked at; None without masks.

        `grid` is rows and columns, the result bool of that shape. Raises ConfigError if the mask
        cannot be used or leaves no place.
        """
        return None if self.masks is None else self.masks.places(self.names[index], grid)


def _changed(item: Item) -> float:
    """When a file was last changed, seconds since 1970."""
    if not isinstance(item, FileItem):
        return -np.inf
    try:
        return Path(item.path).stat().st_mtime
    except (OSError, ValueError):  # gone; or a name that no file can have
        return np.inf
