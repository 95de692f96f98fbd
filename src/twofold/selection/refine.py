"""Which target rows to align with and which to push away, beyond inside and outside a cluster.

Most images outside the dominant cluster are normal when K is large, and some inside it are not.
Each option here is off by default, which leaves the paper's own partition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError
from twofold.selection.base import Selection

__all__ = ["Partition", "refine"]

Rows = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Partition:
    """What alignment does with each row of the target pool; rows in neither part are not used.

    Attributes:
        dominant: (p,) ascending indices of the rows to align with, at least one.
        others: (m,) ascending indices of the rows to push away, disjoint from them.
        weights: (m,) how strongly, >= 0 with mean 1; None: all equally.
        chosen: K, where a rule chose it; see :class:`twofold.selection.Selection`.
    """

    dominant: NDArray[np.intp]
    others: NDArray[np.intp]
    weights: NDArray[np.float32] | None = None
    chosen: int | None = None


def refine(
    selection: Selection,
    embeddings: NDArray[np.floating],
    *,
    merge_cosine: float | None = None,
    trim: float = 0.0,
    negatives: Literal["outside", "farthest"] = "outside",
    negative_share: float = 0.1,
    weigh: bool = False,
) -> Partition:
    """Turn a selection into positives and negatives, cleaned as the options say.

    Distances are Euclidean, to the mean of the dominant cluster after merging and before trimming.

    Args:
        selection: of n >= 1 images.
        embeddings: (n, d) rows of unit length, those the selection was made from.
        merge_cosine: clusters whose centroid has a cosine above this with the dominant one's join
            the dominant cluster, before anything else. In [-1, 1].
        trim: share of the dominant cluster, its farthest rows, left out of the positives without
            becoming negatives. In [0, 1); rounded down, so that one row at least remains.
        negatives: "outside" takes all rows outside the dominant cluster. "farthest" takes
            `negative_share` of the whole pool, the rows farthest away in whatever cluster, trimmed
            ones too, and uses the rest outside the cluster for nothing: only so many images of a
            pool can be anomalous, and clustering with K >= 2 pushes away far more.
        negative_share: in (0, 1); rounded up. The dominant row nearest to the centroid never
            becomes a negative.
        weigh: weigh the negatives in proportion to their distance.

    Returns:
        The partition. Cost O(n d).

    Raises:
        ConfigError: an option out of its range.
    """
    _check(merge_cosine, trim, negatives, negative_share)
    rows = np.asarray(embeddings, dtype=np.float64)
    inside = selection.dominant
    if merge_cosine is not None:
        inside = _merged(selection, rows, merge_cosine)
    distances = np.linalg.norm(rows - rows[inside].mean(axis=0), axis=1)
    positive, negative = _trimmed(inside, distances, trim), ~inside
    if negatives == "farthest":
        negative = _farthest(inside, distances, negative_share)
        positive &= ~negative
    others = np.flatnonzero(negative)
    weights = _mean_one(distances[others]) if weigh else None
    return Partition(np.flatnonzero(positive), others, weights, selection.chosen)


def _check(merge_cosine: float | None, trim: float, negatives: str, negative_share: float) -> None:
    """Raise ConfigError unless all options are in range."""
    if merge_cosine is not None and not -1 <= merge_cosine <= 1:
        raise ConfigError(f"merge_cosine must be in [-1, 1], not {merge_cosine}")
    if not 0 <= trim < 1:
        raise ConfigError(f"trim must be at least 0 and below 1, not {trim}")
    if negatives not in ("outside", "farthest"):
        raise ConfigError(f"negatives must be outside or farthest, not {negatives!r}")
    if not 0 < negative_share < 1:
        raise ConfigError(f"negative_share must be above 0 and below 1, not {negative_share}")


def _merged(selection: Selection, rows: Rows, least: float) -> Mask:
    """The dominant cluster and those that point its way.

    All are compared with the one centroid: a chain of neighbours could swallow the pool.
    """
    toward = _direction(rows[selection.dominant])
    inside = selection.dominant.copy()
    for cluster in np.unique(selection.labels[~selection.dominant]):
        members = selection.labels == cluster
        if _direction(rows[members]) @ toward > least:
            inside |= members
    return inside


def _direction(rows: Rows) -> Rows:
    """The centroid at unit length; zero, whose cosine is 0, where rows cancel out."""
    mean: Rows = rows.mean(axis=0)
    length = float(np.linalg.norm(mean))
    return mean / length if length > 0 else mean


def _trimmed(inside: Mask, distances: Rows, share: float) -> Mask:
    """The mask without its farthest share; of equally far rows the later go first."""
    members = np.flatnonzero(inside)
    # 0.29 * 100 is a little less than 29 in binary.
    dropped = math.floor(share * len(members) + 1e-9)
    order = members[np.argsort(distances[members], kind="stable")]
    kept = np.zeros_like(inside)
    kept[order[: len(members) - dropped]] = True
    return kept


def _farthest(inside: Mask, distances: Rows, share: float) -> Mask:
    """The farthest share of the pool, sparing the dominant row nearest to the centroid."""
    # 0.1 * 30 is a little more than 3 in binary.
    count = math.ceil(share * len(distances) - 1e-9)
    nearest = np.flatnonzero(inside)[np.argmin(distances[inside])]
    order = np.argsort(distances, kind="stable")
    order = order[order != nearest]
    chosen = np.zeros_like(inside)
    chosen[order[max(0, len(order) - count) :]] = True
    return chosen


def _mean_one(distances: Rows) -> NDArray[np.float32]:
    """Distances over their mean; all 1 where every distance is 0."""
    mean = distances.mean() if len(distances) else 0.0
    weights = distances / mean if mean > 0 else np.ones_like(distances)
    return weights.astype(np.float32)
