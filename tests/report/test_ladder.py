"""Thresholds at all rates that a calibration keeps."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from twofold.report.ladder import MARKS, ladder, near
from twofold.thresholds import Calibration, fit_threshold


@pytest.mark.parametrize("rule", ["pool", "tail"])
@pytest.mark.parametrize("n", [1, 5, 60, 400])
def test_each_step_is_a_threshold_that_holds(n: int, rule: str) -> None:
    scores = np.random.default_rng(n).normal(size=n)
    calibration = Calibration.of(scores, rule="pool" if rule == "pool" else "tail")
    steps = ladder(calibration, 200)
    assert [step.rate for step in steps] == sorted(step.rate for step in steps)
    assert all(one.value >= other.value for one, other in itertools.pairwise(steps))
    least = fit_threshold(calibration, 1e-9).false_alarm_rate
    assert steps[0].rate == least
    for step in steps:
        exact = fit_threshold(calibration, min(step.rate, 1 - 1e-9))
        assert step.value == exact.value
        assert step.low <= step.high <= 200
        assert step.expected == pytest.approx(200 * step.rate, rel=1e-6)
    marked = [step.rate for step in steps if step.mark]
    assert marked == [rate for rate in MARKS if rate >= least]


def test_near_is_a_fifth_of_the_way_from_the_median() -> None:
    calibration = Calibration.of(np.arange(101.0))
    assert near(calibration, 90.0) == pytest.approx(0.2 * (90 - np.median(np.arange(101.0))))
    assert near(calibration, 10.0) == 0.0
    # An image that is there ten times counts once.
    scores = np.r_[np.arange(10.0), np.full(10, 9.5)]
    groups = np.r_[np.arange(10), np.full(10, 10)]
    assert near(Calibration.of(scores, groups=groups), 9.0) == pytest.approx(0.2 * (9 - 5))
