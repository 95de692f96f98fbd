"""One mode and its stragglers: a robust Gaussian instead of clusters, so that there is no K."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twofold.densities import Splits, concentrate, majority, power_normalise, scale_of
from twofold.errors import CollapseError, ConfigError, NotEnoughImagesError
from twofold.selection.base import Selection, dominant_selection

__all__ = ["select_trimmed"]

Array = NDArray[np.float64]

# Share of the pool that the Gaussian leaves out, as `auto` does: FAST-MCD's usual compromise.
_TRIM = 0.25
# Of a hundred normal images one lies farther out than this many spreads.
_CUT = float(norm.isf(0.01))
# Distances of rows that a fit has seen are too small, so each comes from a fit without its tenth.
_FOLDS = 10
# Fewer images have no spread that could be told.
_LEAST = 8


def select_trimmed(
    embeddings: NDArray[np.floating], *, n_clusters: int, random_state: int
) -> Selection:
    """Take all but the stragglers of the pool's dominant mode.

    A Gaussian is fitted to the central three quarters of the pool (FAST-MCD, see
    :func:`twofold.densities.fit_trimmed`), as `auto` does. Stragglers are the images whose distance
    from it, by a fit that has not seen them, lies beyond what one of a hundred normal images has,
    on a logarithmic scale whose spread is read off the lower half. A part of the normal mode is
    never pushed away as a cluster of its own, and a pool without anomalies has hardly any.

    Args:
        embeddings: (n, d) finite, n >= 1.
        n_clusters: checked to be >= 1, else of no effect: there is one mode.
        random_state: of the folds.

    Returns:
        Cluster 0 is the mode, 1 the stragglers, fewer than half. With fewer than eight images, and
        where all are the same, there are none. Cost O(n^2 d + folds * n^3), or O(n d^2) for d < n.

    Raises:
        ConfigError: n_clusters < 1.
        NotEnoughImagesError: no image.
    """
    if n_clusters < 1:
        raise ConfigError(f"n_clusters must be at least 1, not {n_clusters}")
    n = len(embeddings)
    if not n:
        raise NotEnoughImagesError("a dominant mode needs at least 1 target image, got 0")
    stragglers = np.zeros(n, dtype=np.int64)
    if n >= _LEAST:
        try:
            distances = _distances(power_normalise(embeddings), random_state)
            stragglers = (scale_of(distances).standardise(distances) > _CUT).astype(np.int64)
        except CollapseError:
            pass  # All images are the same.
    return dominant_selection(stragglers)


def _distances(rows: Array, random_state: int) -> Array:
    """From fits to the mode that have not seen the row, float64 (n,)."""
    splits = Splits(None, rows, "ledoit_wolf")
    kept = concentrate(splits, trim=_TRIM, start=majority(rows, trim=_TRIM))
    order = np.random.default_rng(random_state).permutation(len(rows))
    distances = np.empty(len(rows))
    for fold in range(_FOLDS):
        held = np.zeros(len(rows), dtype=np.bool_)
        held[order[fold::_FOLDS]] = True
        if held.any():
            distances[held], _ = splits.score(kept & ~held, held)
    return distances
