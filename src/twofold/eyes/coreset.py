"""Coresets: a few rows that lie near all others, chosen greedily on a random projection."""

from __future__ import annotations

import math
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

__all__ = ["greedy_centers", "nested_coreset", "patch_coreset", "projection"]

Floats = NDArray[np.float32]
Index = NDArray[np.intp]

# Squared distances keep to within about sqrt(2 / 64) of themselves, and the greedy step reads
# every candidate once a centre: the fewer numbers the faster.
_PROJECTED = 64
# Patches that a greedy choice is made from at a time: 56 MB of 152 channels.
_BLOCK = 50_000
# What all blocks send on together, in rows of the coreset: so many more to choose from make the
# time four or five times that of a plain choice, however many blocks there are.
_SPARE = 4
# Rows whose distances to all others are found in one product, which reads all rows once: 32 take
# the time of some eight by themselves, and most of them are still the farthest in their turn.
_AHEAD = 32
# Squared distances below this part of the mean squared length are rounding of float32.
_ROUNDING = 1e-6


def projection(d: int, dim: int, generator: np.random.Generator) -> Floats | None:
    """Gaussian projection that keeps squared distances in expectation, float32 (d, dim).

    Johnson & Lindenstrauss 1984. None where rows are no longer than that and stay as they are.

    Args:
        d: of the rows.
        dim: dimensions wanted, >= 1.
        generator: of the projection.
    """
    if d <= dim:
        return None
    return generator.normal(0.0, 1.0 / math.sqrt(dim), (d, dim)).astype(np.float32)


def greedy_centers(rows: Floats, k: int, generator: np.random.Generator) -> Index:
    """Rows chosen one by one, each the farthest from those before it; intp (at most k,).

    Gonzalez 1985: the largest distance of a row to its nearest centre is at most twice the least
    possible. Of ties the first row; where all remaining rows equal a centre there are fewer.

    Args:
        rows: float32 (n, d), n >= 1.
        k: centres wanted, >= 1.
        generator: of the first centre.

    Returns:
        Distinct positions. Cost O(n k d) time, O(n d) memory and 256 bytes a row.
    """
    # Distances do not change, and near the origin their expansion rounds least.
    centred = rows - rows.mean(axis=0, dtype=np.float64).astype(np.float32)
    squares = np.einsum("nd,nd->n", centred, centred)
    least = _ROUNDING * float(squares.mean(dtype=np.float64))
    nearest = np.full(len(rows), np.inf, dtype=np.float32)
    chosen: list[int] = []
    farthest = int(generator.integers(len(rows)))
    ahead = np.array([farthest])
    while True:
        known = dict(zip(ahead.tolist(), _distances(centred, squares, ahead), strict=True))
        while farthest in known:
            chosen.append(farthest)
            np.minimum(nearest, known[farthest], out=nearest)
            # Rounding must not bring a centre back.
            nearest[farthest] = -np.inf
            farthest = int(nearest.argmax())
            if len(chosen) == k or nearest[farthest] <= least:
                return np.array(chosen)
        ahead = _farthest(nearest, farthest)


def _distances(centred: Floats, squares: Floats, ahead: Index) -> Floats:
    """Squared distances of some rows to all, float32 (a, n)."""
    found = centred[ahead] @ centred.T
    found *= -2.0
    found += squares
    found += squares[ahead][:, None]
    return found


def _farthest(nearest: Floats, first: int) -> Index:
    """The rows that are farthest from all centres, ``first`` among them."""
    count = min(_AHEAD, len(nearest))
    found = np.argpartition(nearest, len(nearest) - count)[-count:]
    if first not in found:  # one of more than so many that are equally far
        found[0] = first
    return found


def nested_coreset(
    blocks: Iterable[Floats], size: int, each: int, generator: np.random.Generator
) -> Floats:
    """Rows that lie near all rows of a stream: a coreset of the coresets of its blocks.

    Each block's rows are chosen greedily, and from all that were chosen the result. By the triangle
    inequality every row of the stream lies within the sum of two radii of a row that is kept: that
    of its block's choice, and that of the last choice. One block is a plain greedy choice.

    Args:
        blocks: float32 (b, d), at least one; only one at a time need be in memory.
        size: rows wanted, >= 1.
        each: rows that a block may send on, >= 1; of a single block all.
        generator: of the projection on which all choices are made, and of the first rows.

    Returns:
        float32 (at most size, d).
    """
    mixing: Floats | None = None
    sent: list[tuple[Floats, Floats]] = []

    def choice(rows: Floats, near: Floats, k: int) -> tuple[Floats, Floats]:
        chosen = greedy_centers(near, k, generator)
        return rows[chosen], near[chosen]

    several = False
    for rows in blocks:
        if not sent:
            mixing = projection(rows.shape[1], _PROJECTED, generator)
            sent.append((rows, rows if mixing is None else rows @ mixing))
            continue
        if not several:
            sent[0], several = choice(*sent[0], each), True
        sent.append(choice(rows, rows if mixing is None else rows @ mixing, each))
    whole, near = (np.concatenate(part) for part in zip(*sent, strict=True))
    return choice(whole, near, size)[0]


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
    grows with the number of images. More than 50,000 candidates are a stream of blocks, see
    :func:`nested_coreset`.

    Args:
        patches: (n, c, g, g), n >= 1, an array or rows on disk.
        size: patches wanted, >= 1.
        candidates: most patches to choose from, >= 1; those of a block take ``4 * (c + 192)`` bytes
            each, and all of them 8.
        generator: of the draw, the projection and the first patch.
        looked_at: bool (n, g * g), patches that may be chosen, at least one; None for all.
    """
    drawn = _drawn(patches, candidates, generator, looked_at)
    starts = range(0, len(drawn), _BLOCK)
    blocks = (_read(patches, drawn[start : start + _BLOCK]) for start in starts)
    chosen = nested_coreset(blocks, size, math.ceil(_SPARE * size / len(starts)), generator)
    # Rounding can put a little between copies of a patch far from the middle.
    _, first = np.unique(chosen, axis=0, return_index=True)
    return chosen[np.sort(first)]


def _drawn(
    patches: NDArray[np.floating],
    most: int,
    generator: np.random.Generator,
    looked_at: NDArray[np.bool_] | None,
) -> Index:
    """At most so many patches, drawn at random: numbers by image and place, ascending."""
    total = len(patches) * math.prod(patches.shape[2:])
    shown = None if looked_at is None else np.flatnonzero(looked_at)
    total = total if shown is None else len(shown)
    if total <= most:
        return np.arange(total) if shown is None else shown
    drawn = np.sort(generator.choice(total, most, replace=False))
    return drawn if shown is None else shown[drawn]


def _read(patches: NDArray[np.floating], drawn: Index) -> Floats:
    """The patches of such numbers, image by image, float32 (r, c)."""
    c, places = patches.shape[1], math.prod(patches.shape[2:])
    image, place = np.divmod(drawn, places)
    rows = np.empty((len(drawn), c), dtype=np.float32)
    starts = np.flatnonzero(np.diff(image, prepend=-1))
    for start, stop in zip(starts, (*starts[1:], len(drawn)), strict=True):
        own = np.asarray(patches[image[start]]).reshape(c, places)
        rows[start:stop] = own[:, place[start:stop]].T
    return rows
