"""Rows of features: lengths, and functions of them whose bits do not depend on the batch."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "FEW",
    "FarRows",
    "blocks",
    "evenly",
    "in_blocks",
    "made_rows",
    "mean_of",
    "normalised",
    "power_normalise",
    "same_in_few",
    "some",
    "unit_rows",
]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Mask = NDArray[np.bool_]

# Bytes of rows that are held in memory rather than made anew whenever they are asked for: 13,000
# vectors of 1,280 numbers.
_HELD = 128 * 2**20
# Rows that are made at a time: enough for fast products, 21 MB of 1,280 numbers each.
_MADE = 2048

# Rows per matrix product: BLAS may round differently for other shapes, so that they all have this
# one; or FEW, for the last few rows or the only one, where that is tried to give the same bits.
_BLOCK = 64
FEW = 8


def unit_rows(features: NDArray[np.floating]) -> Array:
    """L2-normalise rows in float64; zero rows stay zero.

    Args:
        features: (n, d).
    """
    rows = np.asarray(features, dtype=np.float64)
    norms = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.asarray(rows / np.where(norms > 0, norms, 1.0), dtype=np.float64)


def power_normalise(features: NDArray[np.floating]) -> Array:
    """Signed square root, then L2 (Perronnin et al. 2010; RootSIFT, Arandjelovic & Zisserman 2012).

    Pooled activations behind a ReLU are non-negative with a variance that grows with their mean;
    the square root stabilises it, and unit length removes contrast. Euclidean distance between the
    results is the Hellinger distance between the activations seen as histograms.

    Args:
        features: (n, d).

    Returns:
        float64 (n, d) with rows of length 1 (or 0 for a zero row).
    """
    values = np.asarray(features, dtype=np.float64)
    return unit_rows(np.sign(values) * np.sqrt(np.abs(values)))


class FarRows:
    """Stands for an array float64 (n, d) that would be too large: rows are made when asked for.

    Args:
        make: gives the rows (k, d) of the given numbers, int (k,).
        dim: d.
        rows: int (n,), the numbers of these rows.
    """

    def __init__(self, make: Callable[[Index], Array], dim: int, rows: Index) -> None:
        self._make, self._rows = make, rows
        self.shape = (len(rows), dim)

    def __len__(self) -> int:
        return len(self._rows)

    def __getitem__(self, rows: Any) -> Array:
        """The rows at a slice, indices or a mask, as an array."""
        return self._make(self._rows[rows])

    def select(self, rows: Mask) -> FarRows:
        """Those of a mask, bool (n,), not made yet."""
        return FarRows(self._make, self.shape[1], self._rows[rows])


def made_rows(make: Callable[[Index], Array], n: int, dim: int) -> Array:
    """All rows that a function gives: an array, or beyond 128 MiB what stands for one.

    Args:
        make: gives the rows float64 (k, d) of the given numbers, int (k,), each for itself.
        n: rows.
        dim: d.
    """
    numbers = np.arange(n)
    if 8 * n * dim <= _HELD:
        return make(numbers)
    return cast(Array, FarRows(make, dim, numbers))


def normalised(
    features: NDArray[np.floating], function: Callable[[NDArray[np.floating]], Array]
) -> Array:
    """Rows (n, d) of an array or on disk after a function of rows, as :func:`made_rows`."""
    n, dim = features.shape
    return made_rows(lambda rows: function(features[rows]), n, dim)


def evenly(n: int, most: int) -> Index:
    """Numbers of rows, evenly spread over n: all of them, or as many as are wanted at most."""
    if n <= most:
        return np.arange(n)
    return np.linspace(0, n - 1, most).round().astype(np.intp)


def some(rows: Array, chosen: Mask) -> Array:
    """The rows of a mask, bool (n,); of what stands for an array again such a thing."""
    if isinstance(rows, FarRows):
        return cast(Array, rows.select(chosen))
    return rows[chosen]


def blocks(rows: Array, chosen: Mask | None = None) -> Iterator[Array]:
    """Rows, those of a mask bool (n,) alone, by blocks: one of an array, many of what is not held.

    No rows give no block.
    """
    wanted = rows if chosen is None else some(rows, chosen)
    if not isinstance(wanted, FarRows):
        if len(wanted):
            yield wanted
        return
    for start in range(0, len(wanted), _MADE):
        yield wanted[start : start + _MADE]


def mean_of(rows: Array, chosen: Mask | None = None) -> Array:
    """The mean (d,) of rows, those of a mask bool (n,) alone; at least one."""
    found = [(len(block), block.mean(axis=0)) for block in blocks(rows, chosen)]
    if len(found) == 1:
        return np.asarray(found[0][1])
    counts, means = zip(*found, strict=True)
    return np.asarray(np.average(means, axis=0, weights=counts))


def in_blocks(
    function: Callable[[Array], Array], rows: NDArray[np.floating], *, width: int | None = None
) -> Array:
    """Apply a function of rows in padded blocks: a row's bits do not depend on its neighbours.

    Args:
        function: (k, d) -> (k,), each value from its own row.
        rows: (n, d).
        width: of the one matrix product in it, (k, d) by (d, width), with which few rows make a
            small block; None where nothing is known: all blocks have 64 rows.

    Returns:
        float64 (n,).
    """
    n, d = rows.shape
    found, start = np.empty(n), 0
    # Always at the same place in memory, and filled up with zeros.
    block = np.zeros((_BLOCK, d))
    while start < n:
        few = width is not None and n - start <= FEW and same_in_few(d, width)
        size = FEW if few else _BLOCK
        chunk = rows[start : start + size]
        block[: len(chunk)], block[len(chunk) : size] = chunk, 0.0
        found[start : start + size] = function(block[:size])[: len(chunk)]
        start += size
    return found


@cache
def same_in_few(d: int, width: int, *, turned: bool = False) -> bool:
    """Whether BLAS gives a row the same bits in blocks of 8 rows as in 64, tried with noise.

    Args:
        d: numbers in a row.
        width: of the product with a matrix (d, width).
        turned: whether that lies in memory as it is; else it is a transposed one.
    """
    rng = np.random.default_rng(0)
    rows, factors = rng.standard_normal((_BLOCK, d)), rng.standard_normal((width, d)).T
    if turned:
        factors = np.ascontiguousarray(factors)
    parts = [rows[start : start + FEW] @ factors for start in range(0, _BLOCK, FEW)]
    return np.array_equal(rows @ factors, np.concatenate(parts))
