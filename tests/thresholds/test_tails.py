"""The bound on the normals' tail: it holds where the presumption does, and finds what is beyond."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.stats import expon, gumbel_r, logistic, norm

from twofold.thresholds import Calibration, Tail, fit_tail, fit_threshold, p_values

SHAPES = {"normal": norm, "exponential": expon, "gumbel": gumbel_r, "logistic": logistic}


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("n", [50, 500])
@pytest.mark.parametrize("share", [0.0, 0.1])
def test_the_rate_holds_for_tails_that_fall_exponentially(shape: str, n: int, share: float) -> None:
    normals = SHAPES[shape]
    rng, draws = np.random.default_rng(n), 200
    for rate in (0.01, 0.05, 0.1):
        realised, stated = [], rate
        for _ in range(draws):
            scores = normals.rvs(size=n, random_state=rng)
            odd = int(share * n)
            scores[:odd] = normals.ppf(0.999) + rng.exponential(2.0, size=odd)
            threshold = fit_threshold(Calibration.of(scores, rule="tail"), rate)
            realised.append(normals.sf(threshold.value))
            stated = threshold.false_alarm_rate
        # A tenth above: the boundary of the presumption is the exponential itself.
        assert np.mean(realised) <= 1.1 * stated + 3 * np.std(realised) / math.sqrt(draws)


def test_anomalies_that_stand_apart_are_found_at_rates_below_their_share() -> None:
    rng = np.random.default_rng(0)
    pool = np.concatenate([rng.normal(size=450), rng.normal(9.0, 1.0, size=50)])
    for rate in (0.01, 0.05):
        by_pool, by_tail = (
            fit_threshold(Calibration.of(pool, rule=rule), rate)  # type: ignore[arg-type]
            for rule in ("pool", "tail")
        )
        assert (pool[450:] > by_pool.value).mean() < 0.6
        assert (pool[450:] > by_tail.value).mean() > 0.95
        assert norm.sf(by_tail.value) <= rate
        # The stated upper end is that of a pool whose images are all normal.
        assert by_tail.interval[1] > (pool > by_tail.value).mean()


def test_p_values_take_the_smaller_of_both() -> None:
    rng = np.random.default_rng(1)
    pool = np.concatenate([rng.normal(size=450), rng.normal(9.0, 1.0, size=50)])
    new = np.array([0.0, 9.0, 30.0, np.nan])
    plain, bounded = (
        p_values(new, Calibration.of(pool, rule=rule))  # type: ignore[arg-type]
        for rule in ("pool", "tail")
    )
    assert plain[0] == bounded[0]
    assert bounded[1] < 0.2 * plain[1]
    assert bounded[2] == plain[2] == 1 / 501
    assert np.isnan(plain[3])
    assert np.isnan(bounded[3])


def test_the_bound_of_an_exponential_is_the_exponential() -> None:
    """With many scores, next to exact: reach 1, and half of the median's tail at each log 2."""
    tail = fit_tail(expon.ppf((np.arange(10**6) + 0.5) / 10**6), np.ones(10**6))
    assert tail is not None
    assert tail.reach == pytest.approx(1.0, abs=0.01)
    np.testing.assert_allclose(tail.exceeding(np.array([3.0, 5.0])), np.exp([-3, -5]), rtol=0.05)
    assert tail.quantile(0.01) == pytest.approx(-math.log(0.01), rel=0.01)
    assert tail.quantile(0.5) == tail.start


def test_weights_count_as_images() -> None:
    scores = np.sort(np.random.default_rng(2).normal(size=100))
    once, often = (
        fit_tail(scores, np.ones(100)),
        fit_tail(np.repeat(scores, 3), np.full(300, 1 / 3)),
    )
    assert once is not None
    assert often is not None
    assert often.start == pytest.approx(once.start, abs=0.1)
    assert often.reach == pytest.approx(once.reach, rel=0.1)


def test_no_spread_no_bound() -> None:
    assert fit_tail(np.ones(20), np.ones(20)) is None
    assert Calibration.of(np.ones(20), rule="tail").tail() is None
    assert Calibration.of(np.arange(20.0), origin="source", rule="tail").rule == "pool"


def test_a_tail_is_a_share() -> None:
    tail = Tail(1.0, 2.0, 0.2)
    np.testing.assert_allclose(
        tail.exceeding(np.array([0.0, 1.0, 3.0])), [1.0, 0.2, 0.2 * math.exp(-1)]
    )
    assert tail.quantile(0.2 * math.exp(-1)) == pytest.approx(3.0)
