"""Which kept normals an image is most like, and a flat map of all of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["FlatMap", "flat_map", "nearest"]

Rows = NDArray[np.float32]

_BLOCK = 1024


def nearest(vectors: Rows, known: Rows, count: int) -> tuple[NDArray[np.int64], Rows]:
    """The nearest of some known rows, by Euclidean distance.

    Args:
        vectors: float32 (n, d).
        known: float32 (m, d).
        count: wanted, >= 1.

    Returns:
        int64 (n, min(count, m)), rows of ``known``, nearest first, and their distances, float32.
    """
    count = min(count, len(known))
    found = np.empty((len(vectors), count), dtype=np.int64)
    apart = np.empty((len(vectors), count), dtype=np.float32)
    lengths = np.square(known).sum(axis=1)
    for start in range(0, len(vectors), _BLOCK):
        part = vectors[start : start + _BLOCK]
        squares = np.square(part).sum(axis=1)[:, None] + lengths - 2.0 * part @ known.T
        order = np.argsort(squares, axis=1, kind="stable")[:, :count]
        found[start : start + _BLOCK] = order
        chosen = np.take_along_axis(squares, order, axis=1)
        apart[start : start + _BLOCK] = np.sqrt(np.maximum(chosen, 0.0))
    return found, apart


@dataclass(frozen=True, eq=False)
class FlatMap:
    """Two coordinates of each row.

    Attributes:
        known: float64 (m, 2).
        new: float64 (n, 2).
        explained: share of the variance of the known rows that the two show.
    """

    known: NDArray[np.float64]
    new: NDArray[np.float64]
    explained: float


def flat_map(known: Rows, new: Rows) -> FlatMap:
    """The two leading principal components of the known rows, and where new ones lie on them.

    New rows have no say in the axes, so that a few far ones cannot press all others together.

    Args:
        known: float32 (m, d), m >= 3.
        new: float32 (n, d).
    """
    rows = known.astype(np.float64)
    centre = rows.mean(axis=0)
    _, lengths, axes = np.linalg.svd(rows - centre, full_matrices=False)
    # The sign of an axis is arbitrary: the largest entry is positive, the same on every machine.
    largest = np.abs(axes).argmax(axis=1)
    axes = axes * np.sign(np.take_along_axis(axes, largest[:, None], axis=1))
    total = float(np.square(lengths).sum())
    share = float(np.square(lengths[:2]).sum()) / total if total > 0 else 1.0
    return FlatMap(
        (rows - centre) @ axes[:2].T, (new.astype(np.float64) - centre) @ axes[:2].T, share
    )
