"""Which images of a set are no independent draws: copies, frames of a scene, parts of a lot."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred

if TYPE_CHECKING:
    from scipy import sparse, special
    from scipy.sparse import csgraph
else:
    sparse = deferred("scipy.sparse")
    csgraph = deferred("scipy.sparse.csgraph")
    special = deferred("scipy.special")

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
# Chance of calling distinct images copies, or an order without meaning one of frames, in a set.
_CHANCE = 0.01
# Neighbours that say how densely images lie: more than an image has copies, as a rule.
_BESIDE, _AROUND = 10, 20
# Rows per matrix product.
_BLOCK = 512
# Pairs from which the median distance is taken; nearer ones are copies but for rounding.
_PAIRS = 2000
_EQUAL = 1e-6


def find_groups(
    vectors: NDArray[np.floating],
    names: Sequence[str],
    digests: Sequence[str],
    given: NDArray[np.integer] | None = None,
) -> NDArray[np.int64]:
    """Images that belong together, for folds and for counting how many images there really are.

    Files with the same content; images that are nearer to each other than chance brings distinct
    images of the set; images that follow each other in the order of their names and look alike, if
    that order means something; and what the user says. Where that would leave fewer than two
    groups, only equal files and what the user says count: a set in which all look alike is no set
    of copies.

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
    apart = _distances_of_pairs(rows)
    differing = apart[apart > _EQUAL]
    if not len(differing):
        return _joined(n, sure)
    scale = float(np.median(differing))
    found = _joined(n, [*sure, _copies(rows, scale), _frames(rows, names, apart, scale)])
    return found if found.max() > 0 else _joined(n, sure)


def _joined(n: int, links: list[tuple[Index, Index]]) -> NDArray[np.int64]:
    """Connected components of n images, numbered by first appearance."""
    first, second = (np.concatenate(side) for side in zip(*links, strict=True))
    graph = sparse.coo_array((np.ones(len(first)), (first, second)), shape=(n, n))
    _, labels = csgraph.connected_components(graph, directed=False)
    _, start, place = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.empty(len(start), dtype=np.int64)
    rank[np.argsort(start)] = np.arange(len(start))
    return rank[place]


def _same(values: Sequence[object]) -> tuple[Index, Index]:
    """Links of each image to the first with the same value."""
    first: dict[object, int] = {}
    leaders = [first.setdefault(value, row) for row, value in enumerate(values)]
    return np.arange(len(leaders)), np.array(leaders, dtype=np.intp)


def _distances_of_pairs(rows: Array) -> Array:
    """Distances of pairs of different images, drawn with a fixed seed."""
    first, second = np.random.default_rng(0).integers(len(rows), size=(2, _PAIRS))
    return np.asarray(np.linalg.norm(rows[first] - rows[second], axis=1)[first != second])


def _copies(rows: Array, scale: float) -> tuple[Index, Index]:
    """Links of each image to the first of those it copies that is itself a copy of none.

    Where images vary in few ways, as one part that turns does, distinct ones come close by chance.
    So a copy must also be nearer than the density of images around it explains: of k neighbours in
    a ball of m dimensions, the nearest lies within a part x of the radius with probability 1 - (1 -
    x^m)^k; m is read off how much farther the 20th neighbour lies than the 10th. Stars rather than
    chains: a row of images each like the next is not one image.
    """
    n = len(rows)
    leader = np.arange(n)
    near, beside, around = _neighbours(rows, _COPY * scale)
    if not any(len(others) for others in near) or beside is None:
        return np.arange(n), leader
    known = (around > beside) & (beside > 0)
    # A ball of m dimensions that holds twice as many has 2^(1/m) times the radius.
    wider = float(np.log(around[known] / beside[known]).mean()) if known.any() else math.inf
    dimension = math.log(_AROUND / _BESIDE) / wider
    rarest = (_CHANCE / (n * _BESIDE)) ** (1.0 / dimension) if dimension > 0 else 0.0
    for row, others in enumerate(near):
        apart = np.linalg.norm(rows[others] - rows[row], axis=1)
        free = others[apart <= rarest * beside[row]]
        free = free[leader[free] == free]
        if len(free):
            leader[row] = free[0]
    return np.arange(n), leader


def _neighbours(rows: Array, within: float) -> tuple[list[Index], Array | None, Array]:
    """The earlier rows within a distance of each, and two radii around each, float64 (n,).

    The radii hold ``_BESIDE`` and ``_AROUND`` other rows; None and zeros with too few rows.
    """
    n = len(rows)
    squares = np.einsum("ij,ij->i", rows, rows)
    near: list[Index] = []
    radii = np.zeros((2, n))
    for start in range(0, n, _BLOCK):
        block = rows[start : start + _BLOCK]
        squared = squares[start : start + len(block), None] + squares - 2.0 * (block @ rows.T)
        near += [
            np.flatnonzero(line[: start + row] <= within**2) for row, line in enumerate(squared)
        ]
        if n > _AROUND:
            nearest = np.partition(squared, (_BESIDE, _AROUND), axis=1)[:, [_BESIDE, _AROUND]]
            radii[:, start : start + len(block)] = np.sqrt(np.maximum(nearest.T, 0.0))
    return near, (radii[0] if n > _AROUND else None), radii[1]


def _frames(rows: Array, names: Sequence[str], apart: Array, scale: float) -> tuple[Index, Index]:
    """Links of each image to the first of its scene.

    None where neighbours in the order are not more often alike than any two images are.

    Args:
        rows: (n, d).
        names: (n,), which give the order.
        apart: distances of pairs drawn at random.
        scale: their median.
    """
    order = np.array(sorted(range(len(names)), key=lambda row: _natural(names[row])))
    leader = np.arange(len(rows))
    alike = np.linalg.norm(rows[order[1:]] - rows[order[:-1]], axis=1) <= _FRAME * scale
    by_chance = (1.0 + float((apart <= _FRAME * scale).sum())) / (1.0 + len(apart))
    if special.bdtrc(alike.sum() - 1, len(alike), by_chance) > _CHANCE:
        return np.arange(len(rows)), leader
    for (before, row), follows in zip(itertools.pairwise(order), alike, strict=True):
        first = leader[before]
        if follows and np.linalg.norm(rows[row] - rows[first]) <= _SCENE * scale:
            leader[row] = first
    return np.arange(len(rows)), leader


def _natural(name: str) -> list[tuple[int, str]]:
    """``frame_10`` after ``frame_9``."""
    return [
        (int(part), "") if part.isdecimal() else (-1, part) for part in re.split(r"(\d+)", name)
    ]
