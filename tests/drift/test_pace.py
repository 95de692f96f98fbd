"""Since when, and how fast."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.drift import pace_of_change


def course(n: int, start: int, over: int, height: float, seed: int = 0) -> np.ndarray:
    """A mean of 0, then a slope, then a level; normal noise."""
    rng = np.random.default_rng(seed)
    way = np.clip((np.arange(n) - start + 1) / max(over, 1), 0, 1)
    return height * way + rng.normal(size=n)


def slow(values: np.ndarray) -> tuple[int, int]:
    """The start and length of the best slope or step, each tried with a loop."""
    n, best, found = len(values), -np.inf, (0, 0)
    for start in range(n):
        for end in range(start + 1, n + 1):
            rising = np.clip((np.arange(1, n + 1) - start) / (end - start), 0, 1)
            level = (rising @ values) / (rising @ rising)
            likely = -n / 2 * np.log(((values - level * rising) ** 2).mean())
            if likely > best + 1e-9:
                best, found = likely, (start, end - start)
    return found


@pytest.mark.parametrize("seed", range(5))
def test_a_slope_is_that_of_all_slopes_tried_one_by_one(seed: int) -> None:
    values = course(60, 20, 30, 8.0, seed)
    found = pace_of_change(values)
    assert found.pace == "gradual"
    assert (found.since, found.over) == slow(values)


@pytest.mark.parametrize("seed", range(5))
def test_a_step_is_found_to_the_image(seed: int) -> None:
    values = course(900, 400, 0, 4.0, seed)
    found = pace_of_change(values)
    assert found.pace == "sudden"
    assert found.over == 0
    assert abs(found.since - 400) <= 2


def test_a_slope_that_has_come_to_its_end_stays_one() -> None:
    found = pace_of_change(course(3000, 500, 1000, 2.0))
    assert found.pace == "gradual"
    assert found.since == pytest.approx(500, abs=150)
    assert found.over == pytest.approx(1000, abs=300)


def test_of_little_nothing_is_said() -> None:
    assert pace_of_change(course(12, 6, 0, 1.0)).pace == "unclear"
    assert pace_of_change(np.zeros(5)).pace == "unclear"
    assert pace_of_change(np.array([3.0])).pace == "unclear"
