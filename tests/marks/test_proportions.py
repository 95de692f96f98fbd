"""Exact intervals against enumeration and scipy; numbers of marks against a search one by one."""

from __future__ import annotations

import math

import pytest
from scipy.stats import binomtest

from twofold.errors import ConfigError, UsageError
from twofold.marks import clopper_pearson, finite_interval, marks_needed


@pytest.mark.parametrize(("found", "n"), [(0, 1), (1, 1), (0, 20), (3, 20), (20, 20), (77, 149)])
@pytest.mark.parametrize("level", [0.8, 0.95])
def test_clopper_pearson_is_that_of_scipy(found: int, n: int, level: float) -> None:
    exact = binomtest(found, n).proportion_ci(level, method="exact")
    assert clopper_pearson(found, n, level=level) == pytest.approx((exact.low, exact.high))


def test_without_a_draw_nothing_is_known() -> None:
    assert clopper_pearson(0, 0) == (0.0, 1.0)
    assert finite_interval(0, 0, 12) == (0, 12)


def probability(x: int, size: int, having: int, n: int) -> float:
    """Of x hits, counted out."""
    return math.comb(having, x) * math.comb(size - having, n - x) / math.comb(size, n)


@pytest.mark.parametrize(("n", "size"), [(1, 1), (1, 9), (5, 12), (12, 12), (7, 30)])
def test_the_finite_interval_holds_the_numbers_that_no_test_refuses(n: int, size: int) -> None:
    for found in range(n + 1):
        kept = [
            having
            for having in range(found, size - (n - found) + 1)
            if sum(probability(x, size, having, n) for x in range(found, n + 1)) > 0.025
            and sum(probability(x, size, having, n) for x in range(found + 1)) > 0.025
        ]
        assert finite_interval(found, n, size) == (kept[0], kept[-1])


@pytest.mark.parametrize("having", [0, 1, 4, 15, 30])
def test_the_finite_interval_covers(having: int) -> None:
    """Of the same set, whatever is drawn: with at least the stated probability."""
    covered = 0.0
    for found in range(9):
        low, high = finite_interval(found, 8, 30) if found <= 8 else (0, 0)
        covered += probability(found, 30, having, 8) * (low <= having <= high)
    assert covered >= 0.95 - 1e-12


def test_a_finite_set_is_known_more_narrowly_than_an_infinite_one() -> None:
    low, high = finite_interval(5, 50, 100)
    below, above = clopper_pearson(5, 50)
    assert below < low / 100 <= high / 100 < above
    assert finite_interval(5, 100, 100) == (5, 5)


def test_of_149_anomalies_none_may_be_missed() -> None:
    assert marks_needed(0.02, 0.95) == 149
    assert 0.98**149 <= 0.05 < 0.98**148
    assert marks_needed(0.5, 0.75) == 2  # exactly, in spite of rounding


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3, 0.9])
@pytest.mark.parametrize("misses", [0, 1, 4])
def test_marks_needed_is_the_first_number_that_is_enough(rate: float, misses: int) -> None:
    def chance(n: int) -> float:
        return sum(math.comb(n, k) * rate**k * (1 - rate) ** (n - k) for k in range(misses + 1))

    first = next(n for n in range(misses + 1, 2000) if chance(n) <= 0.1)
    assert marks_needed(rate, 0.9, misses=misses) == first


@pytest.mark.parametrize("wrong", [0.0, 1.0, -0.1, math.nan, True])
def test_a_rate_lies_between_0_and_1(wrong: float) -> None:
    with pytest.raises(ConfigError, match="max_rate must lie strictly between 0 and 1"):
        marks_needed(wrong)
    with pytest.raises(ConfigError, match="confidence"):
        marks_needed(0.1, wrong)
    with pytest.raises(ConfigError, match="level"):
        clopper_pearson(1, 2, level=wrong)


def test_impossible_numbers() -> None:
    for found, n in ((3, 2), (-1, 2)):
        with pytest.raises(UsageError, match="not possible"):
            clopper_pearson(found, n)
    with pytest.raises(UsageError, match="3 images cannot be drawn from 2"):
        finite_interval(0, 3, 2)
    with pytest.raises(UsageError, match="misses must be 0 or more"):
        marks_needed(0.1, misses=-1)
    with pytest.raises(UsageError, match="no number of marks"):
        marks_needed(1e-300)
