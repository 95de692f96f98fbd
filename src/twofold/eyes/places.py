"""Patches by place: in memory, or of so many images that they are read block by block."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import cast

import numpy as np
from numpy.typing import NDArray

from twofold.densities import evenly

__all__ = ["Block", "FarPlaces", "as_places", "by_place", "image_blocks", "largest", "medians"]

Floats = NDArray[np.float32]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Bytes of patches that are held by place: 1,100 images of 14 x 14 places and 152 channels.
_HELD = 128 * 2**20
# Bytes of a block of images, which are there twice while they are put in order.
_BLOCK = 64 * 2**20


@dataclass(frozen=True)
class Block:
    """Some images of a set.

    Attributes:
        rows: int (b,), which of the set they are, ascending.
        values: float32 (p, n, c), patches of the block or of the whole set.
        chosen: whether ``values`` are those of the block alone.
    """

    rows: Index
    values: Floats
    chosen: bool

    def at(self, places: slice) -> Floats:
        """Their patches at some places, float32 (k, b, c); rows are copied as wholes."""
        values = self.values[places]
        return values if self.chosen else values.take(self.rows, axis=1)


class FarPlaces:
    """Stands for an array (p, n, c) that would be too large: blocks of images are read when needed.

    Args:
        patches: (n, c, g, h), an array or rows on disk.
        places: int (p,), which places of the grid these are.
        fill: changes patches (p, b, c) of the images int (b,) that are given with them; None does
            not.
    """

    def __init__(
        self,
        patches: NDArray[np.floating],
        places: Index,
        fill: Callable[[Floats, Index], Floats] | None = None,
    ) -> None:
        self._patches, self._places, self._fill = patches, places, fill
        self.shape = (len(places), patches.shape[0], patches.shape[1])

    def __getitem__(self, places: Mask) -> Floats:
        """Those of some of the places, bool (p,), in the same way."""
        assert self._fill is None
        return cast(Floats, FarPlaces(self._patches, self._places[places]))

    def filled(self, fill: Callable[[Floats, Index], Floats]) -> Floats:
        """The same with patches changed; see the class."""
        return cast(Floats, FarPlaces(self._patches, self._places, fill))

    def read(self, rows: Index) -> Floats:
        """Of the given images, float32 (p, b, c)."""
        patches = self._patches[rows]
        values = by_place(patches)
        if len(self._places) < len(values):
            values = values[self._places]
        return values if self._fill is None else self._fill(values, rows)


def as_places(patches: NDArray[np.floating]) -> Floats:
    """(n, c, g, h) -> float32 (g * h, n, c): the images of one place side by side.

    Args:
        patches: an array or rows on disk.

    Returns:
        A contiguous array; beyond 128 MiB a :class:`FarPlaces` that stands for one.
    """
    n, c, *grid = patches.shape
    p = math.prod(grid)
    if 4 * n * c * p <= _HELD:
        return by_place(patches[:])
    return cast(Floats, FarPlaces(patches, np.arange(p)))


def by_place(patches: NDArray[np.floating]) -> Floats:
    """See :func:`as_places`; always an array."""
    n, c = patches.shape[:2]
    flat = np.asarray(patches, dtype=np.float32).reshape(n, c, math.prod(patches.shape[2:]))
    return np.ascontiguousarray(flat.transpose(2, 0, 1))


def image_blocks(places: Floats, rows: Mask | None = None) -> Iterator[Block]:
    """The images, or those of a mask bool (n,), in blocks: one of an array, else as many as needed.

    Args:
        places: see :func:`as_places`, (p, n, c).
        rows: images that are wanted; none give no block.
    """
    p, n, c = places.shape
    numbers = np.arange(n) if rows is None else np.flatnonzero(rows)
    if not isinstance(places, FarPlaces):
        if len(numbers):
            yield Block(numbers, places, rows is None)
        return
    size = max(1, _BLOCK // max(4 * p * c, 1))
    for start in range(0, len(numbers), size):
        own = numbers[start : start + size]
        yield Block(own, places.read(own), chosen=True)


def largest(places: Floats) -> float:
    """The largest absolute value."""
    return max(float(np.abs(block.values).max()) for block in image_blocks(places))


def medians(places: Floats) -> NDArray[np.float32]:
    """The median image at each place and channel, float32 (p, c).

    Of what is not held, that of as many images as one block has, evenly spread over all: with a
    thousand, a median has an error of a twenty-fifth of the spread.
    """
    if isinstance(places, FarPlaces):
        p, n, c = places.shape
        places = places.read(evenly(n, max(1, _BLOCK // (4 * p * c))))
    return np.asarray(np.median(places, axis=1))
