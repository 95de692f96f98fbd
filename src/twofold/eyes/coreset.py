"""Coresets: a few rows that lie near all others, chosen greedily on a random projection."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

__all__ = ["greedy_centers", "patch_coreset", "random_projection"]

Floats = NDArray[np.float32]
Index = NDArray[np.intp]

# Squared distances keep to within about sqrt(2 / 64) of themselves, and the greedy step reads
# every candidate once a centre: the fewer numbers the faster.
_PROJECTED = 64
# Squared distances below this part of the mean squared length are rounding of float32.
_ROUNDING = 1e-6


def random_projection(rows: Floats, dim: int, generator: np.random.Generator) -> Floats:
    """Gaussian projection that keeps squared distances in expectation, float32 (n, min(d, dim)).

    Johnson & Lindenstrauss 1984. Rows that are no longer stay as they are.

    Args:
        rows: float32 (n, d).
        dim: dimensions wanted, >= 1.
        generator: of the projection.
    """
    d = rows.shape[1]
    if d <= dim:
        return rows
    mixing = generator.normal(0.0, 1.0 / math.sqrt(dim), (d, dim))
    return rows @ mixing.astype(np.float32)


def greedy_centers(rows: Floats, k: int, generator: np.random.Generator) -> Index:
    """Rows chosen one by one, each the farthest from those before it; intp (at most k,).

    Gonzalez 1985: the largest distance of a row to its nearest centre is at most twice the least
    possible. Of ties the first row; where all remaining rows equal a centre there are fewer.

    Args:
        rows: float32 (n, d), n >= 1.
        k: centres wanted, >= 1.
        generator: of the first centre.

    Returns:
        Distinct positions. Cost O(n k d) time, O(n d) memory.
    """
    # Distances do not change, and near the origin their expansion rounds least.
    centred = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.einsum("nd,nd->n", centred, centred)
    least = _ROUNDING * float(squares.mean(dtype=np.float64))
    chosen = [int(generator.integers(len(rows)))]
    nearest = np.full(len(rows), np.inf, dtype=np.float32)
    while len(chosen) < k:
        last = chosen[-1]
        distances = squares + squares[last] - 2.0 * (centred @ centred[last])
        np.minimum(nearest, distances, out=nearest)
        # Rounding must not bring a centre back.
        nearest[last] = -np.inf
        farthest = int(nearest.argmax())
        if nearest[farthest] <= least:
            break
        chosen.append(farthest)
    return np.array(chosen)


def patch_coreset(
    patches: NDArray[np.floating],
    size: int,
    candidates: int,
    generator: np.random.Generator,
    looked_at: NDArray[np.bool_] | None = None,
) -> Floats:
    """Distinct patches that lie near all others, of all images and places; float32 (<= size, c).

    Of Roth et al. 2022, algorithm 1. Where there are more patches than ``candidates``, the greedy
    choice is among that many drawn at random: it leaves out what is rare, and its time no longer
    grows with the number of images.

    Args:
        patches: (n, c, g, g), n >= 1.
        size: patches wanted, >= 1.
        candidates: most patches to choose from, >= 1; they take ``4 * (c + 128)`` bytes each.
        generator: of the draw, the projection and the first patch.
        looked_at: bool (n, g * g), patches that may be chosen, at least one; None for all.
    """
    rows = _drawn(patches, candidates, generator, looked_at)
    projected = random_projection(rows, _PROJECTED, generator)
    chosen = rows[greedy_centers(projected, size, generator)]
    # Rounding can put a little between copies of a patch far from the middle.
    _, first = np.unique(chosen, axis=0, return_index=True)
    return chosen[np.sort(first)]


def _drawn(
    patches: NDArray[np.floating],
    most: int,
    generator: np.random.Generator,
    looked_at: NDArray[np.bool_] | None,
) -> Floats:
    """At most so many patches, drawn at random, image by image; float32 (r, c)."""
    n, c = patches.shape[:2]
    places = math.prod(patches.shape[2:])
    shown = None if looked_at is None else np.flatnonzero(looked_at)
    total = n * places if shown is None else len(shown)
    drawn = np.arange(total) if total <= most else generator.choice(total, most, replace=False)
    drawn = np.sort(drawn) if shown is None else shown[np.sort(drawn)]
    image, place = np.divmod(drawn, places)
    rows = np.empty((len(drawn), c), dtype=np.float32)
    starts = np.flatnonzero(np.diff(image, prepend=-1))
    for start, stop in zip(starts, (*starts[1:], len(drawn)), strict=True):
        own = np.asarray(patches[image[start]]).reshape(c, places)
        rows[start:stop] = own[:, place[start:stop]].T
    return rows
