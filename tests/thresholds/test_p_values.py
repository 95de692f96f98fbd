"""Conformal p-values and the false discovery rate: the formula, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from twofold.errors import ConfigError
from twofold.thresholds import Calibration, benjamini_hochberg, benjamini_yekutieli, p_values


def test_p_values_equal_counting() -> None:
    rng = np.random.default_rng(0)
    reference = np.sort(rng.integers(0, 9, size=25).astype(float))
    scores = rng.integers(-2, 12, size=40).astype(float)
    expected = [(1 + sum(value >= score for value in reference)) / 26 for score in scores]
    found = p_values(scores, Calibration.of(reference))
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert found.dtype == np.float64


def test_p_values_at_the_edges() -> None:
    one = Calibration.of(np.array([1.0]))
    found = p_values(np.array([np.nan, np.inf, -np.inf, 1.0]), one)
    np.testing.assert_array_equal(found, [np.nan, 0.5, 1.0, 1.0])
    assert p_values(np.empty(0), one).shape == (0,)


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("m", [9, 40])
def test_p_values_of_exchangeable_normals_are_valid(m: int, ties: bool) -> None:
    rng = np.random.default_rng(m)
    draws = 4000
    found = np.empty(draws)
    for draw in range(draws):
        scores = rng.integers(0, 6, size=m + 1) if ties else rng.standard_t(2, size=m + 1)
        found[draw] = p_values(scores[:1].astype(float), Calibration.of(scores[1:].astype(float)))[
            0
        ]
    for level in (0.05, 0.1, 0.2, 0.5, 0.9):
        assert np.mean(found <= level) <= level + 3 * np.sqrt(level / draws)
    if not ties:  # exact at the steps of 1 / (m + 1)
        assert np.mean(found <= 0.2) == pytest.approx(0.2, abs=0.02)


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_rejections_are_those_of_scipy(seed: int, rate: float) -> None:
    rng = np.random.default_rng(seed)
    values = np.concatenate([rng.uniform(size=20), rng.uniform(0, 0.01, size=seed)])
    if seed % 2:
        values = np.round(values, 2)
    expected = false_discovery_control(values) <= rate + 1e-12
    np.testing.assert_array_equal(benjamini_hochberg(values, rate), expected)


def test_rejections_at_the_edges() -> None:
    values = np.array([0.01, np.nan, 0.9, 0.04])
    assert benjamini_hochberg(values, 0.1).tolist() == [True, False, False, True]
    assert benjamini_hochberg(np.full(3, np.nan), 0.1).tolist() == [False] * 3
    assert benjamini_hochberg(np.empty(0), 0.1).shape == (0,)
    assert benjamini_hochberg(np.array([0.5, 0.9]), 0.1).tolist() == [False, False]
    for rate in (0.0, 1.0, -1.0):
        with pytest.raises(ConfigError, match="strictly between"):
            benjamini_hochberg(values, rate)


def test_any_dependence_costs_the_harmonic_number() -> None:
    values = np.random.default_rng(0).uniform(size=30) ** 3
    harmonic = sum(1 / i for i in range(1, 31))
    np.testing.assert_array_equal(
        benjamini_yekutieli(values, 0.3), false_discovery_control(values, method="by") <= 0.3
    )
    np.testing.assert_array_equal(
        benjamini_yekutieli(values, 0.3), benjamini_hochberg(values, 0.3 / harmonic)
    )
    assert benjamini_yekutieli(np.full(2, np.nan), 0.1).tolist() == [False, False]
    with pytest.raises(ConfigError, match="strictly between"):
        benjamini_yekutieli(values, 1.0)


@pytest.mark.parametrize("n", [150, 2000])
@pytest.mark.parametrize("rate", [0.05, 0.1, 0.2])
@pytest.mark.parametrize("share", [0.0, 0.005, 0.1, 0.2])
@pytest.mark.parametrize("in_pool", [0.0, 0.1])
def test_the_false_discovery_rate_holds(n: int, rate: float, share: float, in_pool: float) -> None:
    """Anomalies in the pool cost discoveries, never the rate; without any, little is reported."""
    rng, draws = np.random.default_rng(n), 150
    shares, found = [], []
    for _ in range(draws):
        pool, batch = rng.lognormal(size=n), rng.lognormal(size=n)
        odd, strange = rng.random(n) < share, rng.random(n) < in_pool
        batch[odd] *= 60.0
        pool[strange] *= 60.0
        rejected = benjamini_hochberg(p_values(batch, Calibration.of(pool)), rate)
        shares.append(rejected[~odd].sum() / max(rejected.sum(), 1))
        found.append(rejected[odd].mean() if odd.any() else 1.0)
    assert np.mean(shares) <= rate + 3 * max(np.std(shares), 0.5 / draws) / np.sqrt(draws)
    if in_pool == 0 and share >= 0.1 and n == 2000:
        assert np.mean(found) > 0.8
