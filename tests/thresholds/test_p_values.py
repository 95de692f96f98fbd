"""Conformal p-values and the false discovery rate: the formula, and what it promises."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import false_discovery_control

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.thresholds.p_values import benjamini_hochberg, p_values


def test_p_values_equal_counting() -> None:
    rng = np.random.default_rng(0)
    reference = np.sort(rng.integers(0, 9, size=25).astype(float))
    scores = rng.integers(-2, 12, size=40).astype(float)
    expected = [(1 + sum(value >= score for value in reference)) / 26 for score in scores]
    found = p_values(scores, reference)
    np.testing.assert_allclose(found, expected, rtol=1e-15)
    assert found.dtype == np.float64


def test_p_values_at_the_edges() -> None:
    found = p_values(np.array([np.nan, np.inf, -np.inf, 1.0]), np.array([1.0]))
    np.testing.assert_array_equal(found, [np.nan, 0.5, 1.0, 1.0])
    assert p_values(np.empty(0), np.array([1.0])).shape == (0,)
    with pytest.raises(NotEnoughImagesError, match="at least 1 reference image"):
        p_values(np.array([1.0]), np.empty(0))


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("m", [9, 40])
def test_p_values_of_exchangeable_normals_are_valid(m: int, ties: bool) -> None:
    rng = np.random.default_rng(m)
    draws = 4000
    found = np.empty(draws)
    for draw in range(draws):
        scores = rng.integers(0, 6, size=m + 1) if ties else rng.standard_t(2, size=m + 1)
        found[draw] = p_values(scores[:1].astype(float), np.sort(scores[1:]).astype(float))[0]
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


@pytest.mark.parametrize(("anomalies", "shift"), [(0, 0.0), (10, 3.0), (30, 2.0), (50, 5.0)])
def test_the_false_discovery_rate_holds(anomalies: int, shift: float) -> None:
    rng = np.random.default_rng(anomalies)
    rate, shares, found = 0.2, [], []
    for _ in range(500):
        reference = np.sort(rng.normal(size=150))
        scores = np.concatenate([rng.normal(size=100 - anomalies), rng.normal(size=anomalies)])
        scores[100 - anomalies :] += shift
        rejected = benjamini_hochberg(p_values(scores, reference), rate)
        shares.append(rejected[: 100 - anomalies].sum() / max(rejected.sum(), 1))
        found.append(rejected[100 - anomalies :].mean() if anomalies else 1.0)
    assert np.mean(shares) <= rate + 3 * np.std(shares) / np.sqrt(500)
    if shift >= 3:
        assert np.mean(found) > 0.5
