"""Thresholds: exact definitions, and the stated false-alarm rate in simulations."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from scipy.stats import binomtest, percentileofscore

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.thresholds import (
    Threshold,
    conformal_quantile,
    fit_threshold,
    images_needed,
    percentiles,
    pool_contamination,
    presumed_normal,
    upper_tail,
)

Array = NDArray[np.float64]
FINITE = st.floats(-1e6, 1e6, width=32)


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
    assert conformal_quantile(scores, rate) <= scores[-1]
    with pytest.raises(NotEnoughImagesError, match=f"at least {needed} presumed normal"):
        conformal_quantile(scores[1:], rate)


def test_the_rate_that_the_message_advises_is_possible() -> None:
    for n in range(1, 60):
        scores = np.arange(float(n))
        with pytest.raises(NotEnoughImagesError) as caught:
            conformal_quantile(scores, 0.9 / (n + 1))
        advised = float(str(caught.value).rsplit(" ", 1)[1])
        conformal_quantile(scores, advised)


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, 1.5, math.nan, math.inf])
def test_impossible_rates(rate: float) -> None:
    for use in (
        lambda: images_needed(rate),
        lambda: conformal_quantile(np.arange(200.0), rate),
        lambda: fit_threshold(np.arange(200.0), rate, "target"),
    ):
        with pytest.raises(ConfigError, match="strictly between 0 and 1"):
            use()


@given(
    arrays(np.float64, st.integers(1, 150), elements=FINITE),
    st.sampled_from([0.01, 0.02, 0.05, 0.07, 0.1, 0.25, 1 / 3, 0.5, 0.8]),
)
def test_the_quantile_is_its_definition(scores: Array, rate: float) -> None:
    if len(scores) < images_needed(rate):
        with pytest.raises(NotEnoughImagesError):
            conformal_quantile(scores, rate)
    else:
        assert conformal_quantile(scores, rate) == brute_force(scores, rate)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("kind", ["normal", "lognormal", "heavy"])
def test_the_quantile_holds_its_rate_in_finite_samples(rate: float, kind: str) -> None:
    """One fresh score per calibration: the alarms are binomial with a share of at most the rate."""
    rng = np.random.default_rng(0)
    draws: dict[str, Callable[[Any], Any]] = {
        "normal": lambda shape: rng.normal(size=shape),
        "lognormal": lambda shape: rng.lognormal(size=shape),
        "heavy": lambda shape: rng.standard_t(1, size=shape),
    }
    draw = draws[kind]
    n = images_needed(rate)  # Where the guarantee is exact: n + 1 is a multiple of 1 / rate.
    repeats = 20_000
    calibration, fresh = draw((repeats, n)), draw(repeats)
    values = np.array([conformal_quantile(row, rate) for row in calibration])
    alarms = int((fresh > values).sum())
    interval = binomtest(alarms, repeats).proportion_ci(0.999)
    assert interval.low <= rate <= interval.high


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.1])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.2])
def test_a_contaminated_pool_gives_about_the_rate(rate: float, share: float) -> None:
    """With far anomalies in the pool, fresh normals are alarms at about the stated rate."""
    rng = np.random.default_rng(1)
    found = []
    for _ in range(60):
        n = 500
        far = round(share * n)
        scores = rng.lognormal(0, 0.3, n)
        scores[:far] *= 20
        threshold, _ = fit_threshold(scores, rate, "target")
        found.append((rng.lognormal(0, 0.3, 2000) > threshold.value).mean())
    # The cut loses half a percent of the normals, so a little more than stated; and the scale is
    # estimated beside anomalies, which blows it up, so a little less.
    assert 0.5 * rate < np.mean(found) < 1.2 * rate + 0.006


def test_presumed_normal_keeps_clean_samples() -> None:
    rng = np.random.default_rng(0)
    kept = [presumed_normal(rng.lognormal(1.0, 0.5, 1000)).mean() for _ in range(200)]
    assert 0.99 < np.mean(kept) < 0.999
    assert min(kept) > 0.97


@pytest.mark.parametrize("share", [0.05, 0.1, 0.2, 0.3])
def test_presumed_normal_drops_far_anomalies(share: float) -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        n = 400
        far = round(share * n)
        scores = rng.lognormal(0, 0.3, n)
        scores[:far] *= 50
        kept = presumed_normal(scores)
        assert not kept[:far].any()
        assert kept[far:].mean() > 0.97


def test_presumed_normal_of_any_sign() -> None:
    rng = np.random.default_rng(0)
    scores = rng.normal(-3, 1, 500)
    scores[:50] += 30
    assert not presumed_normal(scores)[:50].any()
    assert presumed_normal(scores)[50:].mean() > 0.97
    scores = np.abs(scores - scores.min())  # Holds an exact zero.
    assert not presumed_normal(scores)[:50].any()


@given(arrays(np.float64, st.integers(1, 60), elements=FINITE))
def test_presumed_normal_is_never_empty_and_a_lower_part(scores: Array) -> None:
    kept = presumed_normal(scores)
    assert kept.shape == scores.shape
    assert kept.sum() >= len(scores) / 2
    if not kept.all():
        assert scores[kept].max() < scores[~kept].min()


@given(arrays(np.float64, st.integers(1, 80), elements=st.floats(1e-3, 1e3)), st.floats(0.01, 100))
def test_presumed_normal_has_no_unit(scores: Array, scale: float) -> None:
    """On a power of two, so that only the logarithm rounds; borderline cases are left out."""
    factor = 2.0 ** round(math.log2(scale))
    one, two = presumed_normal(scores), presumed_normal(scores * factor)
    assert (one != two).sum() <= (len(scores) if len(np.unique(scores)) < len(scores) else 1)


@pytest.mark.parametrize("origin", ["target", "source"])
def test_fit_threshold(origin: str) -> None:
    rng = np.random.default_rng(0)
    scores = rng.lognormal(0, 0.3, 200)
    scores[:20] *= 50
    before = scores.copy()
    threshold, presumed = fit_threshold(scores, 0.05, origin)  # type: ignore[arg-type]
    assert np.array_equal(scores, before)
    pool = origin == "target"
    expected = np.sort(scores[presumed_normal(scores, upper_tail(scores))] if pool else scores)
    assert np.array_equal(presumed, expected)
    found = pool_contamination(scores, tail=upper_tail(scores), random_state=0)
    above = int((scores > conformal_quantile(expected, 0.05)).sum())
    bound = (above + 1) / 201 / (1 - (found.high if pool else 0.0))
    assert threshold.rate_bound == pytest.approx(bound)
    assert threshold == Threshold(
        value=conformal_quantile(expected, 0.05),
        false_alarm_rate=0.05,
        origin=origin,  # type: ignore[arg-type]
        n_presumed=len(expected),
        presumed_share=len(expected) / 200,
        contamination=(found.low, found.share, found.high) if pool else (0, 0, 0),
        rate_bound=threshold.rate_bound,
    )


def test_the_bound_holds_wherever_the_anomalies_score() -> None:
    """Anomalies that all score like normals, or above them, or far above."""
    rng = np.random.default_rng(0)
    for factor in (1.0, 3.0, 50.0):
        alarms, bounds = [], []
        for _ in range(60):
            scores = rng.lognormal(0, 0.3, 300)
            scores[:60] *= factor
            threshold, _ = fit_threshold(scores, 0.05, "target")
            alarms.append((rng.lognormal(0, 0.3, 2000) > threshold.value).mean())
            bounds.append(threshold.rate_bound)
        assert np.mean(alarms) <= np.mean(bounds)


def test_the_upper_tail_of_a_pool() -> None:
    rng = np.random.default_rng(0)
    symmetric = [upper_tail(rng.lognormal(0, 0.3, 400)) for _ in range(50)]
    assert 1.0 <= np.mean(symmetric) < 1.1
    skewed = np.exp(rng.gumbel(size=4000))
    # 1.3 by its quantiles; what the far tail looks like contaminated draws it down.
    assert 1.1 < upper_tail(skewed) < 1.3
    assert upper_tail(skewed * 7) == pytest.approx(upper_tail(skewed))
    contaminated = np.concatenate([skewed, np.full(800, 1e6)])
    assert upper_tail(contaminated) == pytest.approx(upper_tail(skewed), abs=0.15)
    assert upper_tail(np.ones(100)) == 1.0
    assert upper_tail(skewed[:1]) == 1.0


def test_a_long_tail_of_normals_costs_less_of_the_rate() -> None:
    """Skewed normals lose the rate under a symmetric cut, and less of it under their own."""
    rng = np.random.default_rng(0)
    told, untold = [], []
    for _ in range(60):
        pool, fresh = (np.exp(rng.gumbel(size=n)) for n in (500, 2000))
        threshold, _ = fit_threshold(pool, 0.05, "target")
        told.append((fresh > threshold.value).mean())
        untold.append((fresh > conformal_quantile(pool[presumed_normal(pool)], 0.05)).mean())
    assert np.mean(untold) > np.mean(told) + 0.01
    assert np.mean(told) < 0.09
    assert max(told) < max(untold)


def test_too_few_images_says_how_many() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(NotEnoughImagesError, match=r"at least 19 presumed normal target .* of 18:"):
        fit_threshold(rng.lognormal(size=18), 0.05, "target")
    with pytest.raises(NotEnoughImagesError, match=r"at least 99 .*source images, got 50 of 50"):
        fit_threshold(rng.lognormal(size=50), 0.01, "source")


@given(
    arrays(np.float64, st.integers(0, 30), elements=st.integers(-5, 5).map(float)),
    arrays(np.float64, st.integers(1, 30), elements=st.integers(-5, 5).map(float)),
)
def test_percentiles_with_ties(scores: Array, reference: Array) -> None:
    expected = [percentileofscore(reference, score, kind="weak") for score in scores]
    np.testing.assert_allclose(percentiles(scores, np.sort(reference)), expected)


def test_ties_at_the_threshold_are_no_alarms() -> None:
    scores = np.repeat([1.0, 2.0], [180, 20])
    assert conformal_quantile(scores, 0.05) == 2.0
    assert not (scores > conformal_quantile(scores, 0.05)).any()
