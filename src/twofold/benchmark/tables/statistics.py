"""Averages over classes and runs, their spreads and intervals, and paired comparisons."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.stats import wilcoxon

__all__ = [
    "MIN_CELLS",
    "Paired",
    "average",
    "bootstrap_average",
    "class_means",
    "compare",
    "holm",
    "spread_over_classes",
    "spread_over_runs",
]

Array = NDArray[np.float64]
Values = Mapping[str, Mapping[int, float]]
"""{class: {run: value}}, only cells that succeeded; no class is empty."""

# The bounds of a 95% interval settle to about the second digit after this many draws.
_DRAWS = 2000
_QUANTILES = (0.025, 0.975)
# Two-sided, five signs give no p below 2/32 = 0.06: the test could not come out at 5%.
MIN_CELLS = 6


def class_means(values: Values) -> dict[str, float]:
    """The mean over the runs of each class."""
    return {name: float(np.mean(list(runs.values()))) for name, runs in values.items()}


def average(values: Values) -> float | None:
    """The mean of the class means; None without any value."""
    means = list(class_means(values).values())
    return float(np.mean(means)) if means else None


def spread_over_classes(values: Values) -> float | None:
    """Population standard deviation of the class means, as the paper prints; None for one class."""
    means = list(class_means(values).values())
    return float(np.std(means)) if len(means) > 1 else None


def spread_over_runs(values: Values) -> float | None:
    """Population standard deviation, over runs, of a run's average over the classes.

    Only runs that have every class count: averages over different classes differ by more than
    chance. None with fewer than two such runs.
    """
    if not values:
        return None
    complete = set.intersection(*(set(runs) for runs in values.values()))
    averages = [np.mean([runs[run] for runs in values.values()]) for run in sorted(complete)]
    return float(np.std(averages)) if len(averages) > 1 else None


def bootstrap_average(values: Values, *, random_state: int = 0) -> tuple[float, float] | None:
    """95% percentile-bootstrap interval of `average`.

    Classes are drawn with replacement, then runs within each drawn class; with one class only the
    runs are drawn. None with fewer than two values in all.
    """
    counts = np.array([len(runs) for runs in values.values()], dtype=np.int64)
    if counts.sum() < 2:
        return None
    table = np.zeros((len(counts), counts.max()))
    for place, runs in enumerate(values.values()):
        table[place, : len(runs)] = list(runs.values())
    generator = np.random.default_rng(random_state)
    classes = generator.integers(len(counts), size=(_DRAWS, len(counts)))
    drawn = generator.random((*classes.shape, counts.max()))
    n_runs = counts[classes][..., None]
    runs_drawn = (drawn * n_runs).astype(np.int64)
    inside = np.arange(counts.max()) < n_runs
    sums = np.where(inside, table[classes[..., None], runs_drawn], 0.0).sum(axis=2)
    averages = (sums / n_runs[..., 0]).mean(axis=1)
    low, high = np.quantile(averages, _QUANTILES)
    return float(low), float(high)


@dataclass(frozen=True)
class Paired:
    """First minus second over the cells both have; AUROC differences as fractions."""

    difference: float
    interval: tuple[float, float] | None
    p: float | None
    why_no_p: str
    n_cells: int
    wins: int
    losses: int


def compare(first: Sequence[float], second: Sequence[float], *, random_state: int = 0) -> Paired:
    """Compare two methods on the same cells (at least one), in the same order.

    The interval is the 95% bootstrap of the mean difference over cells (two or more); p is
    Wilcoxon's two-sided signed-rank test, not given for fewer than `MIN_CELLS` cells that differ.
    """
    # Rounded so that equal results are ties whatever the order their runs were added in.
    differences = np.round(np.subtract(first, second, dtype=np.float64), 12)
    n = len(differences)
    interval = None
    if n > 1:
        generator = np.random.default_rng(random_state)
        draws = generator.choice(differences, (_DRAWS, n)).mean(axis=1)
        low, high = np.quantile(draws, _QUANTILES)
        interval = (float(low), float(high))
    n_different = int(np.count_nonzero(differences))
    p, why = None, ""
    if n_different < MIN_CELLS:
        few, what = (n, "cells") if n < MIN_CELLS else (n_different, "differing cells")
        why = f"no test: {few} of {MIN_CELLS} {what} needed"
    else:
        p = float(wilcoxon(differences[differences != 0]).pvalue)
    return Paired(
        difference=float(differences.mean()),
        interval=interval,
        p=p,
        why_no_p=why,
        n_cells=n,
        wins=int((differences > 0).sum()),
        losses=int((differences < 0).sum()),
    )


def holm(p_values: Sequence[float | None]) -> list[float | None]:
    """Holm's correction over those that are given; None stays None."""
    given = sorted((p, place) for place, p in enumerate(p_values) if p is not None)
    adjusted: list[float | None] = [None] * len(p_values)
    largest = 0.0
    for rank, (p, place) in enumerate(given):
        largest = max(largest, min(1.0, p * (len(given) - rank)))
        adjusted[place] = largest
    return adjusted
