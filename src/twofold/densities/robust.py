"""The robust fit of a Gaussian: to the most central part of a contaminated pool."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.densities.gaussian import MIN_ROWS, Gaussian
from twofold.densities.held_out import Splits
from twofold.densities.modes import lesser_mode
from twofold.densities.shrinkage import Shrinkage
from twofold.errors import ConfigError

__all__ = ["central", "concentrate", "fit_trimmed", "majority", "n_central"]

Array = NDArray[np.float64]


def n_central(n: int, trim: float) -> int:
    """How many of n rows are left when a share ``trim`` is not: at least two, if there are two."""
    return max(int(np.ceil(n * (1.0 - trim))), min(MIN_ROWS, n))


def central(
    distances: Array, count: int, known: NDArray[np.bool_] | None = None
) -> NDArray[np.bool_]:
    """The ``count`` rows of the smallest distances, bool (n,); ties go to the first.

    Rows that are ``known`` to be normal, bool (n,), come before all others; however many, all stay.
    """
    if known is not None:
        distances, count = np.where(known, -np.inf, distances), max(count, int(known.sum()))
    kept = np.zeros(len(distances), dtype=np.bool_)
    kept[np.argsort(distances, kind="stable")[:count]] = True
    return kept


def fit_trimmed(
    source: NDArray[np.floating] | None,
    target: NDArray[np.floating],
    *,
    trim: float,
    source_weight: float = 1.0,
    shrinkage: Shrinkage = "ledoit_wolf",
    start: NDArray[np.bool_] | None = None,
    max_iterations: int = 10,
) -> tuple[Gaussian, NDArray[np.bool_]]:
    """Fit to the pool's most central part: concentration steps as in FAST-MCD.

    Start from the pool's :func:`majority` (or ``start``); fit, keep the ``1 - trim`` share of
    target rows nearest to the fit, and repeat until the kept set stands still (Rousseeuw & Van
    Driessen 1999, C-steps). Source rows are known to be normal and are never trimmed.

    Limits. More anomalies than ``trim`` cannot all be left out. Fewer may be kept where they are of
    one kind and lie too near to the rest to be a group of their own: the covariance of everybody is
    turned towards a compact clump (400 rows of 50 dimensions, 5% of them in a clump of spread 0.7
    at 4 deviations: 98% of it is kept; at 8 deviations none). And a lesser group of normals that
    does lie apart is left out like one of anomalies: which it is, no distance tells.

    Args:
        source: (n_s, d) source normals, or None to use the target alone.
        target: (n_t, d) the contaminated pool, n_t >= 2.
        trim: share of the pool left out, in [0, 0.5].
        source_weight: how much a source row counts beside a target row, in [0, 1].
        shrinkage: see :func:`fit_gaussian`.
        start: rows kept at first, bool (n_t,): a warm start; None: the majority.
        max_iterations: concentration steps at most, each of which chooses the kept rows anew; 0
            fits to the start. More than five are rarely needed; the bound guards against cycles.

    Returns:
        The fit and the kept rows, bool (n_t,).
    """
    pool: Array = np.asarray(target, dtype=np.float64)
    known = None if source is None else np.asarray(source, dtype=np.float64)
    splits = Splits(known, pool, shrinkage)
    if start is None:
        start = majority(pool, trim=trim)
    kept = concentrate(
        splits, trim=trim, source_weight=source_weight, start=start, max_iterations=max_iterations
    )
    return splits.fit(kept, source_weight=source_weight), kept


def majority(pool: Array, *, trim: float) -> NDArray[np.bool_]:
    """Whom to start from, bool (n,): all but a lesser group that surely lies apart.

    A single start from everybody keeps anomalies of one kind, and FAST-MCD's many random ones need
    a rule to choose; the likeliest of several starts, or that of the smallest determinant, may cut
    out a tenth of the normals. Here a test decides (:func:`lesser_mode`).

    Args:
        pool: (n, d).
        trim: share of the pool that can be left out: no larger group is.
    """
    lesser = lesser_mode(pool, most=trim) if trim > 0 else None
    return np.ones(len(pool), dtype=np.bool_) if lesser is None else ~lesser


def concentrate(
    splits: Splits,
    *,
    trim: float,
    source_weight: float = 1.0,
    start: NDArray[np.bool_] | None = None,
    max_iterations: int = 10,
) -> NDArray[np.bool_]:
    """The rows that :func:`fit_trimmed` keeps, bool (n_t,); ``start=None`` is everybody here.

    Rows that ``splits`` knows to be normal are among them.
    """
    if not 0 <= trim <= 0.5:
        raise ConfigError(f"trim must lie in [0, 0.5], not {trim}")
    n = len(splits.pool)
    count, everybody = n_central(n, trim), np.ones(n, dtype=np.bool_)
    kept = everybody
    if start is not None and start.sum() >= MIN_ROWS:
        kept = start.copy() if splits.known is None else start | splits.known
    for _ in range(max_iterations):
        distances, _ = splits.score(kept, everybody, source_weight=source_weight)
        nearest = central(distances, count, splits.known)
        if np.array_equal(nearest, kept):
            break
        kept = nearest
    return kept
