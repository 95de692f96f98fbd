"""Thresholds: exact definitions, and the stated false-alarm rate in simulations."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import beta, binomtest, norm, percentileofscore

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.thresholds import (
    Calibration,
    Threshold,
    conformal_quantile,
    fit_threshold,
    images_needed,
    percentiles,
    realised_rate_interval,
)

Array = NDArray[np.float64]
FINITE = st.floats(-1e6, 1e6, width=32)

# What normal scores may look like; each with the share of them above a score.
SHAPES: dict[str, tuple[Callable[[np.random.Generator, int], Array], Callable[[float], float]]] = {
    "normal": (lambda rng, n: rng.normal(size=n), lambda t: float(norm.sf(t))),
    "log-normal": (
        lambda rng, n: rng.lognormal(size=n),
        lambda t: float(norm.sf(math.log(t))),
    ),
    "heavy-tailed": (
        lambda rng, n: rng.pareto(1.5, size=n) + 1.0,
        lambda t: t**-1.5,
    ),
    "bimodal": (
        lambda rng, n: rng.normal(size=n) + 5.0 * (rng.random(n) < 0.2),
        lambda t: 0.8 * float(norm.sf(t)) + 0.2 * float(norm.sf(t - 5.0)),
    ),
}


def brute_force(scores: Array, rate: float) -> float:
    """The smallest value v among the scores with #{s <= v} >= (n + 1)(1 - rate)."""
    needed = (len(scores) + 1) * (1 - rate) - 1e-9
    return float(min(v for v in scores if (scores <= v).sum() >= needed))


@pytest.mark.parametrize(
    ("rate", "needed"), [(0.05, 19), (0.01, 99), (0.1, 9), (0.2, 4), (0.5, 1), (0.3, 3), (0.9, 1)]
)
def test_images_needed(rate: float, needed: int) -> None:
    assert images_needed(rate) == needed
    scores = np.arange(needed, dtype=float)
    threshold = fit_threshold(Calibration.of(scores), rate)
    assert (threshold.false_alarm_rate, threshold.note) == (rate, None)


@pytest.mark.parametrize("n", [1, 2, 15, 18])
def test_a_rate_that_the_images_cannot_support_gives_the_strictest_threshold(n: int) -> None:
    scores = np.random.default_rng(n).normal(size=n)
    threshold = fit_threshold(Calibration.of(scores), 0.05)
    assert threshold.value == scores.max()
    assert (threshold.requested_rate, threshold.false_alarm_rate) == (0.05, 1 / (n + 1))
    assert threshold.note is not None
    assert (
        f"needs 19 independent target images that may be normal, and there are {n}"
        in threshold.note
    )


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_impossible_rates(rate: float) -> None:
    for use in (conformal_quantile, fit_threshold):
        with pytest.raises(ConfigError, match="strictly between 0 and 1"):
            use(Calibration.of(np.arange(50.0)), rate)


@given(arrays(np.float64, st.integers(19, 60), elements=FINITE), st.sampled_from([0.05, 0.1, 0.3]))
def test_the_quantile_is_the_smallest_score_that_covers(scores: Array, rate: float) -> None:
    assert conformal_quantile(Calibration.of(scores), rate) == brute_force(scores, rate)


@given(arrays(np.float64, st.integers(1, 40), elements=FINITE), st.integers(2, 5))
def test_copies_in_one_group_change_nothing(scores: Array, times: int) -> None:
    once = Calibration.of(scores)
    groups = np.repeat(np.arange(len(scores)), times)
    often = Calibration.of(np.repeat(scores, times), groups=groups)
    assert often.n_groups == len(scores)
    for rate in (0.05, 0.2, 0.5):
        one, many = (fit_threshold(found, rate) for found in (once, often))
        assert (one.value, one.false_alarm_rate) == (many.value, many.false_alarm_rate)
        np.testing.assert_allclose(one.interval, many.interval, rtol=1e-9)
    np.testing.assert_allclose(percentiles(scores, once), percentiles(scores, often), atol=1e-9)


def test_groups_of_different_sizes_weigh_alike() -> None:
    """By hand: the group of three 9s is one image of five, and its half is a tenth."""
    scores = np.array([9.0, 9.0, 9.0, 1.0, 2.0, 3.0, 4.0])
    found = Calibration.of(scores, groups=np.array([0, 0, 0, 1, 2, 3, 4]))
    assert found.n_groups == 5
    assert conformal_quantile(found, 1 / 3) == 4.0
    assert conformal_quantile(found, 0.3) == 9.0
    np.testing.assert_allclose(found.above(np.array([4.0, 9.0, 0.0])), [1.0, 0.0, 5.0])
    np.testing.assert_allclose(found.above(np.array([9.0]), inclusive=True), [1.0])


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [50, 400, 2000])
def test_the_rate_and_its_interval_hold_whatever_normals_look_like(shape: str, n: int) -> None:
    draw, share_above = SHAPES[shape]
    rng, draws = np.random.default_rng(n), 400
    for rate in (0.001, 0.01, 0.05, 0.1):
        realised, beyond, stated = [], 0, rate
        for _ in range(draws):
            threshold = fit_threshold(Calibration.of(draw(rng, n)), rate)
            realised.append(share_above(threshold.value))
            beyond += realised[-1] > threshold.interval[1]
            stated = threshold.false_alarm_rate
        error = 3 * np.std(realised) / math.sqrt(draws)
        assert 0.7 * stated - error <= np.mean(realised) <= stated + error
        assert binomtest(beyond, draws, 0.025, alternative="greater").pvalue > 1e-4


@pytest.mark.parametrize("share", [0.1, 0.2])
@pytest.mark.parametrize("shape", SHAPES)
def test_anomalies_in_the_pool_only_lower_the_realised_rate(shape: str, share: float) -> None:
    draw, share_above = SHAPES[shape]
    rng, n, draws = np.random.default_rng(7), 500, 100
    for rate in (0.01, 0.05, 0.1):
        realised = []
        for _ in range(draws):
            scores = draw(rng, n)
            odd = rng.random(n) < share
            scores[odd] += rng.exponential(4.0 * scores.std(), size=odd.sum())
            threshold = fit_threshold(Calibration.of(scores), rate)
            realised.append(share_above(threshold.value))
            assert realised[-1] <= threshold.interval[1] + 0.02
        assert np.mean(realised) <= rate + 3 * np.std(realised) / math.sqrt(draws)


def test_the_interval_is_that_of_order_statistics() -> None:
    scores = np.arange(99.0)
    threshold = fit_threshold(Calibration.of(scores), 0.05)
    assert threshold.value == 94.0  # the 95th of 99
    np.testing.assert_allclose(threshold.interval, beta.ppf([0.025, 0.975], 5, 95))
    assert realised_rate_interval(Calibration.of(scores), -1.0) == (1.0, 1.0)


def test_no_scale_is_guessed_from_a_sign() -> None:
    scores = np.random.default_rng(0).lognormal(size=300)
    shifted = scores - scores.min() - 1e-9
    for rule in ("pool", "tail"):
        one, other = (
            fit_threshold(Calibration.of(values, rule=rule), 0.02) for values in (scores, shifted)
        )
        assert one.value - other.value == pytest.approx(scores.min() + 1e-9)


def test_a_threshold_is_its_number() -> None:
    threshold = fit_threshold(Calibration.of(np.arange(30.0)), 0.1)
    assert isinstance(threshold, Threshold)
    assert threshold == threshold.value == float(threshold)


def test_no_scores() -> None:
    with pytest.raises(NotEnoughImagesError, match="at least 1 source image"):
        Calibration.of(np.empty(0), origin="source")


def test_percentiles_equal_scipy() -> None:
    rng = np.random.default_rng(3)
    known = rng.integers(0, 9, size=40).astype(float)
    scores = rng.integers(-2, 12, size=30).astype(float)
    expected = [percentileofscore(known, score, kind="weak") for score in scores]
    np.testing.assert_allclose(percentiles(scores, Calibration.of(known)), expected, atol=1e-9)
