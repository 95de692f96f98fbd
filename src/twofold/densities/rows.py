"""Rows of features: lengths, and functions of them whose bits do not depend on the batch."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["in_blocks", "power_normalise", "unit_rows"]

Array = NDArray[np.float64]

# Rows per matrix product: BLAS rounds differently for other shapes, so they all have this one.
_BLOCK = 64


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


def in_blocks(function: Callable[[Array], Array], rows: Array) -> Array:
    """Apply a function of rows in padded blocks: a row's bits do not depend on its neighbours.

    Args:
        function: (64, d) -> (64,), each value from its own row.
        rows: (n, d).

    Returns:
        float64 (n,).
    """
    padded = np.zeros((-(-len(rows) // _BLOCK) * _BLOCK, rows.shape[1]))
    padded[: len(rows)] = rows
    blocks = [function(padded[start : start + _BLOCK]) for start in range(0, len(padded), _BLOCK)]
    return np.concatenate([np.empty(0), *blocks])[: len(rows)]
