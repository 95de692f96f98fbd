"""Directions in which the images of the source vary most."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["leading_directions"]

Array = NDArray[np.float64]

# Each adds bets, and all bets share one wealth: twice as many cost a warning two images or less.
_DIRECTIONS = 8


def leading_directions(vectors: NDArray[np.floating]) -> Array:
    """Unit vectors along which vectors vary most, float64 (k, d); k is at most 8.

    They are to be those of other images than the ones that a stream is compared with: images that
    directions were chosen by vary more along them than new ones.

    Args:
        vectors: (n, d), n >= 2.
    """
    centred = vectors - vectors.mean(axis=0, dtype=np.float64)
    n, d = centred.shape
    k = min(_DIRECTIONS, n - 1, d)
    gram = centred @ centred.T if n <= d else centred.T @ centred
    values, found = np.linalg.eigh(np.asarray(gram, dtype=np.float64))
    kept = values[::-1][:k] > values[-1] * 1e-9
    chosen = found[:, ::-1][:, :k][:, kept]
    rows = chosen.T @ centred if n <= d else chosen.T
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))
