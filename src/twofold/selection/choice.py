"""How many clusters a pool has, from scarcity: parts of the normal mode are no set of negatives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from typing import Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.selection.base import Selection, dominant_selection
from twofold.selection.registry import SELECTORS, WITHOUT_K
from twofold.selection.unimodality import APART, separation

__all__ = ["choose_clusters", "select"]

Array = NDArray[np.float64]
Labels = NDArray[np.int64]
Mask = NDArray[np.bool_]
Order = NDArray[np.intp]

# The paper's largest K; its Figure 4 sees nothing gained beyond.
_MOST_CLUSTERS = 10
# Share of the pool that may lie apart: what the robust Gaussian leaves out too, FAST-MCD's usual
# compromise. A larger group is rather a second kind of normal images than a set of anomalies.
_MOST_APART = 0.25
# How groups of few rows are halved is a toss-up; the median over some halvings hardly is, and errs
# at most twice as often as one (Meinshausen et al. 2009, on p-values).
_HALVINGS = 5
# Relative to the rows' length: what copies differ by is rounding, and must not be clustered.
_ROUNDING = 1e-9


class Clustering(Protocol):
    """Splits (n, d) embeddings into a given number of clusters."""

    def __call__(self, embeddings: NDArray[np.floating], *, n_clusters: int) -> Selection:
        """Cluster; deterministic."""
        ...  # pragma: no cover


def select(
    selector: str,
    embeddings: NDArray[np.floating],
    *,
    n_clusters: int | Literal["auto"],
    random_state: int,
) -> Selection:
    """Select by a registered selector, with a given number of clusters or a chosen one.

    Args:
        selector: an id of :data:`twofold.selection.SELECTORS`.
        embeddings: (n, d) finite; L2-normalise them first.
        n_clusters: K >= 1, or "auto": by :func:`choose_clusters`. Of no effect for a selector that
            finds the number of clusters itself.
        random_state: of the selector and of the choice.

    Raises:
        ConfigError: an unknown selector, or n_clusters < 1.
        NotEnoughImagesError: fewer images than clusters, or none.
    """
    found = SELECTORS.load(selector)
    if n_clusters != "auto":
        return found(embeddings, n_clusters=n_clusters, random_state=random_state)
    if selector in WITHOUT_K:
        return found(embeddings, n_clusters=1, random_state=random_state)
    cluster = partial(found, random_state=random_state)
    return choose_clusters(embeddings, cluster, random_state=random_state)


def choose_clusters(
    embeddings: NDArray[np.floating], cluster: Clustering, *, random_state: int
) -> Selection:
    """The K at which most of the pool, but a quarter at most, lies apart from its dominant mode.

    K goes from 2 to 10. At each, the clusters that are not shown to lie apart from the dominant one
    (:func:`twofold.selection.unimodality.separation`, the median over five ways of halving the
    rows) are put together with it, the least apart first, since they may well be parts of the same
    mode (Hennig 2010 merges components of a mixture by the dip test likewise). What remains are the
    negatives, and counts unless it is more than a quarter of the pool. Where no K leaves any, the
    pool has one mode: K is 1, and the negatives are its stragglers
    (:func:`twofold.selection.trimmed.select_trimmed`).

    Of several K the one with most negatives, since each is shown to lie apart and the lowest K
    stops at the first of several kinds of anomalies; of equal ones the lowest. Distinct rows alone
    are clustered and tested: copies of an image would be a mode by themselves. A group that lies
    apart has three of them at least, so pools below twelve images are always one mode.

    Args:
        embeddings: (n, d) finite, n >= 1; L2-normalise them first.
        cluster: a selector without its random state.
        random_state: of the halves of the test and the folds of the stragglers.

    Returns:
        The partition: cluster 0 is the dominant mode, with three quarters of the pool or more
        unless its stragglers are so many, and ``chosen`` is K, the number of clusters asked for
        before they were put together. The order of the rows has no effect but on the stragglers.
        Cost: that of nine clusterings, O(K^2 n d) for the tests of each, and the stragglers'.

    Raises:
        NotEnoughImagesError: no image.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    best: Selection | None = None
    if len(rows) and _spread(rows) > _ROUNDING * float(np.linalg.norm(rows)):
        distinct, place = np.unique(rows, axis=0, return_inverse=True)
        rng = np.random.default_rng(random_state)
        orders = [rng.permutation(len(distinct)) for _ in range(_HALVINGS)]
        for k in range(2, min(_MOST_CLUSTERS, len(distinct)) + 1):
            labels = _put_together(distinct, cluster(distinct, n_clusters=k).labels, orders)
            labels = labels[place.ravel()]
            if not 0 < (labels > 0).mean() <= _MOST_APART:
                continue
            found = replace(dominant_selection(labels), chosen=k)
            if best is None or found.share < best.share:
                best = found
    if best is not None:
        return best
    one_mode = SELECTORS.load("trimmed")(rows, n_clusters=1, random_state=random_state)
    return replace(one_mode, chosen=1)


def _spread(rows: Array) -> float:
    return float(np.linalg.norm(rows - rows.mean(axis=0)))


def _put_together(rows: Array, labels: Labels, orders: Sequence[Order]) -> Labels:
    """0 for the largest cluster and all that may be parts of its mode, 1, 2, ... for the others."""
    dominant = dominant_selection(labels).dominant
    halves = [_half(labels, order) for order in orders]

    def apart(cluster: int) -> float:
        found = [separation(rows, dominant, labels == cluster, half) for half in halves]
        return float(np.median(found))

    rest = [int(cluster) for cluster in np.unique(labels[~dominant])]
    while rest:
        gaps = [apart(cluster) for cluster in rest]
        least = int(np.argmin(gaps))
        if gaps[least] > APART:
            break
        dominant |= labels == rest.pop(least)
    made = np.zeros_like(labels)
    for number, cluster in enumerate(rest, start=1):
        made[labels == cluster] = number
    return made


def _half(labels: Labels, order: Order) -> Mask:
    """Every other row of each cluster, in the given order of the rows."""
    half = np.zeros(len(labels), dtype=np.bool_)
    for cluster in np.unique(labels):
        half[order[labels[order] == cluster][::2]] = True
    return half
