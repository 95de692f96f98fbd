"""Whether a group of rows lies apart from another: the density between them, judged out of sample.

Nothing here assumes a shape of the groups, only that one group has one mode on any line.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

__all__ = ["APART", "separation", "unimodal_distance"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

APART = 0.54
"""A :func:`separation` above this: of samples from the uniform distribution, the hardest unimodal
one to tell from two modes (Hartigan & Hartigan 1985), fewer than one in 180 has it at any size,
so that of nine clusters that are parts of one mode all are found to be so with 95%."""


def unimodal_distance(values: NDArray[np.floating]) -> float:
    """How far a sample is from having one mode: nearly its dip (Hartigan & Hartigan 1985).

    The least largest difference between the empirical distribution function and a function that is
    convex up to some point and concave after it. For the dip both parts meet in one distribution
    function; here each is fitted by itself, which gives the dip or slightly less.

    Args:
        values: (n,) finite, n >= 1.

    Returns:
        In [0, 1/4]: 0 for a single distinct value, near 1/4 for two tight groups of one size. The
        same for any shift, positive or negative scale, and order of the values. Cost O(n log n).
    """
    x, counts = np.unique(np.asarray(values, dtype=np.float64), return_counts=True)
    after = np.cumsum(counts) / counts.sum()
    before = after - counts / counts.sum()

    def rising(mode: int) -> float:
        part = slice(mode + 1)
        return _convex_distance(x[part], before[part], after[part])

    def falling(mode: int) -> float:
        part = slice(None, mode - 1 if mode else None, -1)
        return _convex_distance(-x[part], 1.0 - after[part], 1.0 - before[part])

    # The farther right the mode, the more there is to be convex and the less to be concave.
    low, high = 0, len(x) - 1
    while low < high:
        middle = (low + high) // 2
        if rising(middle) >= falling(middle):
            high = middle
        else:
            low = middle + 1
    return min(max(rising(mode), falling(mode)) for mode in {low, max(low - 1, 0)})


def _convex_distance(x: Array, before: Array, after: Array) -> float:
    """From the steps of a distribution function to the nearest convex one on ascending x.

    A step at the last place is free, since the mode may hold any share.
    """
    if len(x) < 2:
        return 0.0
    places, heights = x.tolist(), before.tolist()
    hull: list[int] = []
    for i, (place, height) in enumerate(zip(places, heights, strict=True)):
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            rise = (heights[b] - heights[a]) * (place - places[b])
            if rise < (height - heights[b]) * (places[b] - places[a]):
                break
            hull.pop()
        hull.append(i)
    convex = np.interp(x[:-1], x[hull], before[hull])
    return 0.5 * float((after[:-1] - convex).max())


def separation(rows: Array, dominant: Mask, cluster: Mask, half: Mask) -> float:
    """How wide a gap lies between a cluster and the dominant one, on the line of their means.

    The line is that of one half's means, and the other half's rows are projected on it, in turn:
    with fewer rows than dimensions a line through the means of the same rows parts any two sets
    (Hamerly & Elkan 2003 and Kalogeratos & Likas 2012 test the rows that they have split).

    Of the rows on the line only the outermost are asked, as many of the dominant side as the
    cluster has: a unimodal density cut off at a point stays unimodal, while over the whole line a
    cluster with a share p moves the dip by p / 2 at most, which for 5% of 200 rows is noise.

    Args:
        rows: (n, d) finite, distinct.
        dominant: bool (n,).
        cluster: bool (n,), disjoint from it.
        half: bool (n,), rows of the first half.

    Returns:
        :func:`unimodal_distance` of the 2m outermost of the rows on the line, m those of the
        cluster, times the square root of their number: comparable over sizes, and to be compared
        with :data:`APART`, which takes three rows at least. 0 where a half lacks one of the two.
        Cost O(n d).
    """
    places = []
    for fit in (half, ~half):
        if not (dominant & fit).any() or not (cluster & fit).any():
            return 0.0
        near, far = rows[dominant & fit].mean(axis=0), rows[cluster & fit].mean(axis=0)
        axis = far - near
        length = float(np.linalg.norm(axis))
        if length == 0.0:
            return 0.0
        # In units of the distance of the means, since the halves' lines are not the same.
        asked = (dominant | cluster) & ~fit
        places.append((rows[asked] - (near + far) / 2.0) @ (axis / length) / length)
    outermost = np.sort(np.concatenate(places))[-2 * int(cluster.sum()) :]
    return unimodal_distance(outermost) * float(np.sqrt(len(outermost)))
