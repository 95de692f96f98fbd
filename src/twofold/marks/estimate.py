"""Rates of a finite set of scored images from the marks of some of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.marks._checks import checked_marks, checked_scores, checked_strata
from twofold.marks.area import completed_areas, point_area
from twofold.marks.cells import count_cells, point_rates
from twofold.marks.completion import complete, completed_rates
from twofold.marks.estimates import RATES, Estimate, Estimates
from twofold.thresholds import check_rate

__all__ = ["estimate", "interval"]

Array = NDArray[np.float64]


def estimate(
    scores: NDArray[np.floating],
    threshold: float,
    strata: NDArray[np.integer],
    marks: NDArray[np.floating],
    *,
    n_unsure: int = 0,
    level: float = 0.95,
    random_state: int = 0,
) -> Estimates:
    """Rates of this set of images, each with an interval, after any number of marks.

    Within each stratum the marked images must be a simple random sample, as those of every prefix
    of :func:`twofold.marks.draw_design`'s order are; images that were skipped, or marked as
    unsure, must not be skipped for what they show. The values are Horvitz-Thompson estimates. The
    intervals are quantiles over sets that are completed at random
    (:func:`twofold.marks.completion.complete`), and contain the value; of images that are all
    marked, they have no width. With few marks that of AUROC holds a little less often than stated
    (docs/marks.md).

    Args:
        scores: float (n,), larger is more anomalous.
        threshold: images that score above it are flagged.
        strata: int (n,), from 0 up; zeros for images that were marked at random.
        marks: float (n,): 1 anomalous, 0 normal, NaN not marked.
        n_unsure: images that were looked at without a decision; only reported.
        level: probability with which each interval holds the set's true rate.
        random_state: of the draws; the same one gives the same intervals.

    Raises:
        UsageError: lengths differ, scores are NaN, or marks have other values.
        ConfigError: the level is not strictly between 0 and 1.
    """
    values = checked_scores(scores, threshold)
    known = checked_marks(marks, len(values))
    check_rate(level, "level")
    if n_unsure < 0:
        raise UsageError(f"n_unsure must be 0 or more, not {n_unsure}")
    cells, cell = count_cells(values, threshold, checked_strata(strata, len(values)), known)
    generator = np.random.default_rng(random_state)
    drawn = complete(cells, generator)
    points = {**point_rates(cells), "auroc": point_area(values, known, cells, cell)}
    draws = {
        **completed_rates(cells, drawn),
        "auroc": completed_areas(values, known, cell, drawn, generator),
    }
    found = {name: interval(points[name], draws[name], level) for name in RATES}
    n_marked = int(cells.marked.sum())
    return Estimates(len(values), n_marked, int(n_unsure), level, **found)


def interval(value: float | None, draws: Array, level: float) -> Estimate:
    """A value with the central quantiles of draws; all of [0, 1] where there is no value.

    Args:
        value: the estimate; the interval is stretched to contain it.
        draws: of the rate, (m,), NaN where it is not defined.
        level: share of the draws between the ends.
    """
    draws = draws[~np.isnan(draws)]
    if value is None or not len(draws):
        return Estimate(value, 0.0, 1.0)
    side = (1 - level) / 2
    low, high = np.quantile(draws, [side, 1 - side])
    return Estimate(value, float(min(low, value)), float(max(high, value)))
