"""Which images of a set are no independent draws: copies, frames of a scene, parts of a lot."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

__all__ = ["find_groups"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]

# In units of the median distance between two images of the set. Distinct images of seven domains
# (solar cells, photographs, drawings, products) are never nearer than 0.19, half of them not within
# 0.34; the same image stored again as JPEG or 5% brighter mostly lies within 0.15.
_COPY = 0.15
# One after the other in the order of the files, images within twice that are frames of a scene,
# which ends where half the usual distance from its first image is reached.
_FRAME, _SCENE = 0.3, 0.5
# Rows per matrix product.
_BLOCK = 512
# Pairs from which the median distance is taken.
_PAIRS = 2000


def find_groups(
    vectors: NDArray[np.floating],
    names: Sequence[str],
    digests: Sequence[str],
    given: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Images that belong together, for folds and for counting how many images there really are.

    Files with the same content; images that are much nearer to each other than distinct images of
    the set are; images that follow each other in the order of their names and look alike; and what
    the user says. Where that would leave fewer than two groups, only equal files and what the user
    says count: a set in which all look alike is no set of copies.

    Args:
        vectors: (n, d) of unit length.
        names: (n,) of the files; numbers in them sort as numbers.
        digests: (n,) of the files' content.
        given: int (n,), the user's groups.

    Returns:
        int64 (n,), numbered by first appearance. Cost O(n^2 d).
    """
    sure = [_same(digests)] if given is None else [_same(digests), _same(given.tolist())]
    n = len(names)
    if n < 3:
        return _joined(n, sure)
    rows = np.asarray(vectors, dtype=np.float64)
    scale = _median_distance(rows)
    if scale <= 0:
        return _joined(n, sure)
    found = _joined(n, [*sure, _copies(rows, _COPY * scale), _frames(rows, names, scale)])
    return found if found.max() > 0 else _joined(n, sure)


def _joined(n: int, links: list[tuple[Index, Index]]) -> NDArray[np.int64]:
    """Connected components of n images, numbered by first appearance."""
    first, second = (np.concatenate(side) for side in zip(*links, strict=True))
    graph = coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    _, labels = connected_components(graph, directed=False)
    _, start, place = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(start), dtype=np.int64)
    rank[np.argsort(start)] = np.arange(len(start))
    return rank[place]


def _same(values: Sequence[object]) -> tuple[Index, Index]:
    """Links of each image to the first with the same value."""
    first: dict[object, int] = {}
    leaders = [first.setdefault(value, row) for row, value in enumerate(values)]
    return np.arange(len(leaders)), np.array(leaders, dtype=np.intp)


def _median_distance(rows: Array) -> float:
    """Median distance of pairs drawn with a fixed seed, copies left out."""
    pairs = np.random.default_rng(0).integers(len(rows), size=(2, _PAIRS))
    apart = np.linalg.norm(rows[pairs[0]] - rows[pairs[1]], axis=1)
    apart = apart[apart > 1e-6]
    return float(np.median(apart)) if len(apart) else 0.0


def _copies(rows: Array, within: float) -> tuple[Index, Index]:
    """Links of each image to the first one within a distance that is itself linked to none.

    Stars rather than chains: a row of images each like the next is not one image.
    """
    n = len(rows)
    leader = np.arange(n)
    for start, near in _near(rows, within):
        for row, others in enumerate(near, start):
            free = others[(others < row)]
            free = free[leader[free] == free]
            if len(free):
                leader[row] = free[0]
    return np.arange(n), leader


def _near(rows: Array, within: float) -> Iterator[tuple[int, list[Index]]]:
    """For blocks of rows, the rows before each within a distance, ascending."""
    squares = np.einsum("ij,ij->i", rows, rows)
    for start in range(0, len(rows), _BLOCK):
        block = rows[start : start + _BLOCK]
        stop = start + len(block)
        squared = squares[start:stop, None] + squares[:stop] - 2.0 * (block @ rows[:stop].T)
        yield start, [np.flatnonzero(line <= within**2) for line in squared]


def _frames(rows: Array, names: Sequence[str], scale: float) -> tuple[Index, Index]:
    """Links of each image to the first of its scene."""
    order = sorted(range(len(names)), key=lambda row: _natural(names[row]))
    leader = np.arange(len(rows))
    for before, row in itertools.pairwise(order):
        first = leader[before]
        follows = np.linalg.norm(rows[row] - rows[before]) <= _FRAME * scale
        if follows and np.linalg.norm(rows[row] - rows[first]) <= _SCENE * scale:
            leader[row] = first
    return np.arange(len(rows)), leader


def _natural(name: str) -> list[tuple[int, str]]:
    """``frame_10`` after ``frame_9``."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]
