"""How a large array is cut into overlapping tiles of one shape, and what of each is kept."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

__all__ = ["Span", "cut", "plan"]


@dataclass(frozen=True)
class Span:
    """One tile along one axis.

    Attributes:
        start: first cell that the tile sees.
        stop: the one behind the last.
        kept: first cell that the tile's result is kept for, and the one behind the last.
    """

    start: int
    stop: int
    kept: tuple[int, int]


def cut(length: int, n: int, margin: int, step: int) -> list[Span]:
    """Tiles along one axis, all of one length, that start at multiples of a step.

    What is kept of the tiles covers the axis once. Where two tiles meet, each sees at least
    ``margin`` cells more than is kept of it; the ends of the axis are ends of tiles.

    Args:
        length: of the axis, in cells.
        n: tiles wanted; fewer where they would be no shorter than the axis.
        margin: in cells, a multiple of ``step``.
        step: in cells.
    """
    # Half a step is lost at each meeting, as tiles start at whole ones.
    least = -(-(length + (n - 1) * (2 * margin + step)) // n)
    # The last tile ends where the axis ends, and starts at a multiple of the step.
    last = max(0, length - least) // step * step
    if n == 1 or last == 0:
        return [Span(0, length, (0, length))]
    size = length - last
    starts = [round(index * last / ((n - 1) * step)) * step for index in range(n)]
    # Halfway between the end of one tile and the start of the next.
    middles = [
        (after + before + size) // (2 * step) * step for before, after in itertools.pairwise(starts)
    ]
    edges = [0, *middles, length]
    return [
        Span(start, start + size, kept)
        for start, kept in zip(starts, itertools.pairwise(edges), strict=True)
    ]


def plan(
    shape: tuple[int, int], *, margin: int, step: int, most: int
) -> tuple[list[Span], list[Span]]:
    """Tiles of a plane, down and across, of at most ``most`` cells and with the least overlap.

    Where margins alone take more than that, tiles are as small as makes sense: twice as long as
    their margins.

    Args:
        shape: height and width in cells.
        margin: see :func:`cut`.
        step: see :func:`cut`.
        most: cells of a tile.
    """
    height, width = shape
    found: tuple[int, list[Span], list[Span]] | None = None
    smallest: tuple[int, list[Span], list[Span]] | None = None
    for down in _counts(height, margin, step):
        rows = cut(height, down, margin, step)
        for across in _counts(width, margin, step):
            columns = cut(width, across, margin, step)
            area = (rows[0].stop - rows[0].start) * (columns[0].stop - columns[0].start)
            seen = area * len(rows) * len(columns)
            if smallest is None or area < smallest[0]:
                smallest = (area, rows, columns)
            if area <= most and (found is None or seen < found[0]):
                found = (seen, rows, columns)
    best = found or smallest
    assert best is not None
    return best[1], best[2]


def _counts(length: int, margin: int, step: int) -> range:
    """Numbers of tiles along an axis whose kept parts are no shorter than what is cropped."""
    return range(1, max(1, length // max(8 * step, 2 * margin)) + 1)
