"""The bound on the normals' tail: it holds where the presumption does, and finds what is beyond."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import expon, gumbel_r, logistic, norm, t

from twofold.thresholds import (
    Calibration,
    Tail,
    conformal_quantile,
    fit_tail,
    fit_threshold,
    p_values,
    tails,
)

SHAPES = {"normal": norm, "exponential": expon, "gumbel": gumbel_r, "logistic": logistic}


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [50, 500])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_the_rate_holds_for_tails_that_fall_exponentially(shape: str, n: int, share: float) -> None:
    normals = SHAPES[shape]
    rng, draws = np.random.default_rng(n), 200
    for rate in (0.01, 0.05, 0.1):
        realised, stated = [], rate
        for _ in range(draws):
            scores = np.asarray(normals.rvs(size=n, random_state=rng), dtype=np.float64)
            odd = int(share * n)
            scores[:odd] = normals.ppf(0.999) + rng.exponential(2.0, size=odd)
            threshold = fit_threshold(Calibration.of(scores, rule="tail"), rate)
            realised.append(normals.sf(threshold.value))
            stated = threshold.false_alarm_rate
        # A tenth above: the boundary of the presumption is the exponential itself.
        assert np.mean(realised) <= 1.1 * stated + 3 * np.std(realised) / math.sqrt(draws)


def test_anomalies_that_stand_apart_are_left_out_and_all_found() -> None:
    rng = np.random.default_rng(0)
    pool = np.concatenate([rng.normal(size=450), rng.normal(12.0, 1.0, size=50)])
    for rate in (0.01, 0.05):
        by_pool, by_tail = (
            fit_threshold(Calibration.of(pool, rule=rule), rate) for rule in ("pool", "tail")
        )
        assert (pool[450:] > by_pool.value).mean() < 0.6
        assert (pool[450:] > by_tail.value).all()
        assert (by_pool.n_kept, by_tail.n_kept) == (500, 450)
        # Nine tenths of the rate are left for the normals.
        assert by_tail.value == conformal_quantile(Calibration.of(pool[:450]), 0.9 * rate)
        assert norm.sf(by_tail.value) <= by_tail.interval[1]
        # The stated upper end is that of a pool whose images are all normal.
        assert by_tail.interval[1] > (pool > by_tail.value).mean()


@pytest.mark.parametrize("n", [24, 48])
def test_a_few_images_far_away_hide_nothing(n: int) -> None:
    rng = np.random.default_rng(n)
    odd = n // 8
    pool = np.concatenate([rng.normal(size=n), rng.normal(30.0, 0.1, size=odd)])
    threshold = fit_threshold(Calibration.of(pool, rule="tail"), 0.05)
    assert threshold.value < 20
    assert threshold.n_kept <= n


def test_too_few_that_may_be_normal_for_the_rate_are_said() -> None:
    rng = np.random.default_rng(3)
    pool = np.concatenate([rng.normal(size=16), rng.normal(30.0, 0.1, size=4)])
    threshold = fit_threshold(Calibration.of(pool, rule="tail"), 0.05)
    assert threshold.n_groups == 20
    assert threshold.n_kept <= 16
    assert threshold.false_alarm_rate == pytest.approx(1 / (threshold.n_kept + 1) + 0.005)
    assert threshold.note is not None
    assert f"that may be normal, and there are {threshold.n_kept}" in threshold.note


def test_p_values_rest_on_the_images_that_may_be_normal() -> None:
    rng = np.random.default_rng(1)
    pool = np.concatenate([rng.normal(size=450), rng.normal(12.0, 1.0, size=50)])
    new = np.array([0.0, 12.0, 30.0, np.nan])
    plain, bounded = (p_values(new, Calibration.of(pool, rule=rule)) for rule in ("pool", "tail"))
    assert bounded[0] == pytest.approx((1 + (pool[:450] >= 0).sum()) / 451 + 0.1 / 501)
    assert plain[1] > 0.02
    assert bounded[1] == bounded[2] == pytest.approx(1 / 451 + 0.1 / 501)
    assert np.isnan(plain[3])
    assert np.isnan(bounded[3])


@pytest.mark.slow
def test_the_bound_of_an_exponential_is_the_exponential() -> None:
    """With many scores, next to exact: reach 1, and half of the median's tail at each log 2."""
    normals = expon.ppf((np.arange(10**6) + 0.5) / 10**6)
    pool = np.concatenate([normals, np.full(10**5, 40.0)])
    tail = fit_tail(pool, np.ones(len(pool)))
    assert tail is not None
    assert tail.reach == pytest.approx(1.0, abs=0.02)
    np.testing.assert_allclose(tail.exceeding(np.array([3.0, 5.0])), np.exp([-3, -5]), rtol=0.1)
    assert tail.quantile(0.01) == pytest.approx(-math.log(0.01), rel=0.02)
    assert tail.quantile(0.5) == tail.start
    # Without anything beyond there is nothing to bound.
    assert fit_tail(normals, np.ones(10**6)) is None


def test_weights_count_as_images() -> None:
    rng = np.random.default_rng(2)
    scores = np.sort(np.concatenate([rng.normal(size=90), np.full(10, 20.0)]))
    once = fit_tail(scores, np.ones(100))
    often = fit_tail(np.repeat(scores, 3), np.full(300, 1 / 3))
    assert once is not None
    assert often is not None
    assert often.start == pytest.approx(once.start, abs=0.1)
    assert often.reach == pytest.approx(once.reach, rel=0.1)


@pytest.mark.parametrize("shape", ["pareto", "student"])
@pytest.mark.parametrize("n", [50, 500, 5000])
def test_a_heavy_tail_is_no_anomaly(shape: str, n: int) -> None:
    rng, draws = np.random.default_rng(n), 100
    realised: dict[float, list[float]] = {0.01: [], 0.05: [], 0.1: []}
    stated: dict[float, float] = {}
    for _ in range(draws):
        student = shape == "student"
        scores = rng.standard_t(3, size=n) if student else 1.0 + rng.pareto(1.5, size=n)
        calibration = Calibration.of(scores, rule="tail", scale="linear" if student else "log")
        for rate, found in realised.items():
            threshold = fit_threshold(calibration, rate)
            found.append(t(3).sf(threshold.value) if student else threshold.value**-1.5)
            stated[rate] = threshold.false_alarm_rate
    for rate, found in realised.items():
        error = 3 * np.std(found) / math.sqrt(draws)
        assert np.mean(found) <= 1.1 * stated[rate] + error


def test_no_spread_no_bound() -> None:
    assert fit_tail(np.ones(20), np.ones(20)) is None
    ones = Calibration.of(np.ones(20), rule="tail")
    assert ones.without_surely_odd(0.01) is ones
    assert Calibration.of(np.arange(20.0), origin="source", rule="tail").rule == "pool"


def test_a_tail_is_a_share() -> None:
    tail = Tail(1.0, 2.0, 0.2)
    np.testing.assert_allclose(
        tail.exceeding(np.array([0.0, 1.0, 3.0])), [1.0, 0.2, 0.2 * math.exp(-1)]
    )
    assert tail.quantile(0.2 * math.exp(-1)) == pytest.approx(3.0)


def test_the_normal_quantile_is_that_of_the_share() -> None:
    assert norm.ppf(tails._COVERED) == tails._SURE
