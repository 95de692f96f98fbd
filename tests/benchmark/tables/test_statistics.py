"""Statistics against slow, literal versions."""

from __future__ import annotations

import math
import random
import statistics as plain
from itertools import product

import numpy as np
import pytest

from twofold.benchmark.tables.statistics import (
    average,
    bootstrap_average,
    class_means,
    compare,
    holm,
    spread_over_classes,
    spread_over_runs,
)

VALUES = {
    "a": {0: 0.5, 1: 0.7, 2: 0.6},
    "b": {0: 0.9, 1: 0.8, 2: 1.0},
    "c": {0: 0.4, 1: 0.45},
}


def test_averages_against_plain_python() -> None:
    means = {name: plain.fmean(runs.values()) for name, runs in VALUES.items()}
    assert class_means(VALUES) == pytest.approx(means)
    assert average(VALUES) == pytest.approx(plain.fmean(means.values()))
    assert spread_over_classes(VALUES) == pytest.approx(plain.pstdev(means.values()))
    complete = [plain.fmean(runs[run] for runs in VALUES.values()) for run in (0, 1)]
    assert spread_over_runs(VALUES) == pytest.approx(plain.pstdev(complete))


def test_the_two_spreads_are_not_confused() -> None:
    classes_differ = {"a": {0: 0.5, 1: 0.5}, "b": {0: 0.9, 1: 0.9}}
    assert spread_over_classes(classes_differ) == pytest.approx(0.2)
    assert spread_over_runs(classes_differ) == 0
    runs_differ = {"a": {0: 0.5, 1: 0.9}, "b": {0: 0.5, 1: 0.9}}
    assert spread_over_classes(runs_differ) == 0
    assert spread_over_runs(runs_differ) == pytest.approx(0.2)


def test_what_one_value_cannot_say_is_not_said() -> None:
    one = {"a": {0: 0.5}}
    assert average(one) == 0.5
    for values in (one, {}):
        assert spread_over_classes(values) is None
        assert spread_over_runs(values) is None
        assert bootstrap_average(values) is None
    assert average({}) is None
    # Run 1 has another set of classes: no two runs can be compared.
    assert spread_over_runs({"a": {0: 0.5, 1: 0.6}, "b": {0: 0.5}}) is None


def slow_interval(values: dict[str, dict[int, float]], draws: int) -> tuple[float, float]:
    source = random.Random(7)
    lists = [list(runs.values()) for runs in values.values()]
    averages = []
    for _ in range(draws):
        drawn = [source.choice(lists) for _ in lists]
        averages.append(
            plain.fmean(plain.fmean(source.choices(runs, k=len(runs))) for runs in drawn)
        )
    low, high = np.quantile(averages, [0.025, 0.975])
    return float(low), float(high)


@pytest.mark.parametrize(
    "values",
    [
        VALUES,
        {"a": {0: 0.5, 1: 0.7, 2: 0.6, 3: 0.9}},
        {n: {0: 0.1 * i} for i, n in enumerate("abcdefg")},
    ],
    ids=["classes-and-runs", "one-class", "one-run"],
)
def test_the_bootstrap_against_loops(values: dict[str, dict[int, float]]) -> None:
    interval = bootstrap_average(values)
    assert interval == pytest.approx(slow_interval(values, 8000), abs=0.02)
    assert interval == bootstrap_average(values)


def slow_signed_rank(differences: list[float]) -> float:
    """All sign patterns of distinct, non-zero differences."""
    order = sorted(map(abs, differences))
    ranks = [order.index(abs(d)) + 1 for d in differences]
    total = sum(ranks)

    def statistic(signs: tuple[bool, ...]) -> int:
        plus = sum(rank for rank, sign in zip(ranks, signs, strict=True) if sign)
        return min(plus, total - plus)

    observed = statistic(tuple(d > 0 for d in differences))
    patterns = list(product([False, True], repeat=len(ranks)))
    return sum(statistic(signs) <= observed for signs in patterns) / len(patterns)


@pytest.mark.parametrize("seed", range(5))
def test_the_paired_comparison_against_enumeration(seed: int) -> None:
    source = random.Random(seed)
    first = [source.uniform(0.5, 1) for _ in range(8)]
    second = [source.uniform(0.4, 0.9) for _ in range(8)]
    differences = [a - b for a, b in zip(first, second, strict=True)]
    paired = compare(first, second)
    assert paired.difference == pytest.approx(plain.fmean(differences))
    assert paired.p == pytest.approx(slow_signed_rank(differences))
    assert (paired.wins, paired.losses) == (
        sum(d > 0 for d in differences),
        sum(d < 0 for d in differences),
    )
    draws = [plain.fmean(source.choices(differences, k=8)) for _ in range(8000)]
    assert paired.interval == pytest.approx(np.quantile(draws, [0.025, 0.975]), abs=0.02)


def test_too_few_cells_give_no_p_and_say_why() -> None:
    five = compare([0.9] * 5, [0.1, 0.2, 0.3, 0.4, 0.5])
    assert five.p is None
    assert five.why_no_p == "no test: 5 of 6 cells needed"
    ties = compare([0.5] * 8, [0.5] * 6 + [0.4, 0.3])
    assert ties.p is None
    assert ties.why_no_p == "no test: 2 of 6 differing cells needed"
    assert (ties.n_cells, ties.wins, ties.losses) == (8, 2, 0)
    one = compare([0.5], [0.25])
    assert (one.difference, one.interval) == (0.25, None)


def test_ties_and_equal_differences_are_tested_without_a_warning() -> None:
    paired = compare([0.3, 0.3, 0.3, 0.4, 0.5, 0.6, 0.7, 0.5], [0.2] * 4 + [0.4, 0.5, 0.6, 0.5])
    assert paired.p is not None
    assert 0 < paired.p < 0.05


def test_holm_against_the_definition() -> None:
    given = [0.04, None, 0.01, 0.03, 0.9]
    # sorted: .01 x 4, .03 x 3, .04 x 2 (below the one before, so raised), .9 x 1
    assert holm(given) == [
        pytest.approx(0.09),
        None,
        pytest.approx(0.04),
        pytest.approx(0.09),
        pytest.approx(0.9),
    ]
    source = random.Random(1)
    p = [source.random() ** 3 for _ in range(20)]
    for place, adjusted in enumerate(holm(p)):
        smaller = [q for q in p if q <= p[place]]
        slow = max(min(1, q * (len(p) - sum(r < q for r in p))) for q in smaller)
        assert adjusted is not None
        assert math.isclose(adjusted, slow)
