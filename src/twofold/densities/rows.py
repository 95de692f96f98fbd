"""Rows of features: lengths, and functions of them whose bits do not depend on the batch."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import numpy as np
from numpy.typing import NDArray

__all__ = ["FEW", "in_blocks", "power_normalise", "same_in_few", "unit_rows"]

Array = NDArray[np.float64]

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


def in_blocks(
    function: Callable[[Array], Array], rows: Array, *, width: int | None = None
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
    while start < n:
        few = width is not None and n - start <= FEW and same_in_few(d, width)
        size = FEW if few else _BLOCK
        chunk = rows[start : start + size]
        padded = np.zeros((size, d))
        padded[: len(chunk)] = chunk
        found[start : start + size] = function(padded)[: len(chunk)]
        start += size
    return found


@cache
def same_in_few(d: int, width: int) -> bool:
    """Whether BLAS gives a row the same bits in blocks of 8 rows as in 64, tried with noise.

    Args:
        d: numbers in a row.
        width: of the product with a matrix (width, d), transposed.
    """
    rng = np.random.default_rng(0)
    rows, factors = rng.standard_normal((_BLOCK, d)), rng.standard_normal((width, d))
    parts = [rows[start : start + FEW] @ factors.T for start in range(0, _BLOCK, FEW)]
    return np.array_equal(rows @ factors.T, np.concatenate(parts))
