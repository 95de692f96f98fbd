"""Thresholds and estimates on a few scores of every degenerate kind: in range, or a named error."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.small_samples import KINDS, SIZES, STATES, end, finite, partner, sample, within

from twofold.densities import lower_spread, unit_rows
from twofold.thresholds import (
    Calibration,
    benjamini_hochberg,
    find_groups,
    fit_threshold,
    images_needed,
    p_values,
    percentiles,
)

Array = NDArray[np.float64]


def scores_of(kind: str, states: range) -> Iterator[tuple[Array, Array, int]]:
    """Scores as they come, positive ones and squares; scores to compare with; a random state."""
    for n in SIZES:
        for state in states:
            values = sample(kind, n, state)[:, 0]
            reference = np.sort(partner(kind, 12, state)[:, 0])
            yield values, reference, state
            yield np.abs(values), np.abs(reference)[:0], state
            yield np.square(values), np.sort(np.square(reference)), state


@KINDS
@STATES
def test_thresholds(kind: str, states: range) -> None:
    for scores, _, state in scores_of(kind, states):
        groups = np.random.default_rng(state).integers(5, size=len(scores))
        for given in (None, groups):
            for rule in ("pool", "tail"):
                for scale in ("linear", "log"):
                    found = end(Calibration.of, scores, groups=given, rule=rule, scale=scale)
                    assert (found is None) == (len(scores) == 0)
                    if found is None:
                        continue
                    for rate in (0.5, 0.05):
                        threshold = fit_threshold(found, rate)
                        assert finite(threshold.value)
                        assert within(0, 1, threshold.interval, threshold.false_alarm_rate)
                        assert threshold.interval[0] <= threshold.interval[1]
                        assert rate <= threshold.false_alarm_rate


@KINDS
@STATES
def test_spreads(kind: str, states: range) -> None:
    for scores, _, _ in scores_of(kind, states):
        spread = end(lower_spread, scores)
        assert (spread is None) == (len(scores) == 0)
        assert spread is None or (finite(spread) and spread[1] >= 0)


@KINDS
@STATES
def test_places_among_known_scores(kind: str, states: range) -> None:
    for scores, reference, _ in scores_of(kind, states):
        for known in (reference, np.sort(scores)):
            for rule in ("pool", "tail"):
                calibration = end(Calibration.of, known, rule=rule)
                assert (calibration is None) == (len(known) == 0)
                if calibration is not None:
                    assert within(0, 100, percentiles(scores, calibration))
                    chances = p_values(scores, calibration)
                    assert within(0, 1, chances)
                    assert benjamini_hochberg(chances, 0.1).shape == scores.shape


@KINDS
@STATES
def test_groups(kind: str, states: range) -> None:
    for n in SIZES:
        for state in states:
            rows = unit_rows(sample(kind, n, state))
            found = find_groups(rows, [str(i) for i in range(n)], [str(i % 7) for i in range(n)])
            assert found.shape == (n,)
            assert n == 0 or (found.min() == 0 and found.max() < n)


@pytest.mark.parametrize("rate", [5e-324, 1e-320, 1e-300, 1e-9])
def test_a_rate_that_no_set_of_images_reaches(rate: float) -> None:
    assert images_needed(rate) >= 10**8
    assert fit_threshold(Calibration.of(np.arange(20.0)), rate).value == 19.0
