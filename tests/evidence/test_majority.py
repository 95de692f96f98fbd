"""Skewness of distances: against slow references, on mixtures of known answer, at the edges."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import skew

from twofold.errors import NotEnoughImagesError
from twofold.evidence import majority as module
from twofold.evidence.majority import DistanceSkewness, distance_skewness

Array = NDArray[np.float64]


def slow(rows: Array) -> float:
    pairs = [float(np.square(a - b).sum()) for a, b in itertools.combinations(rows, 2)]
    return float(skew(pairs))


def mixture(share: float, seed: int, n: int = 200, d: int = 200) -> Array:
    """Normals near each other, anomalies each somewhere else."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, d))
    rows[: round(share * n)] *= 3.0
    return np.asarray(rows)


@pytest.mark.parametrize("n", [4, 5, 12, 30])
def test_equals_the_slow_reference(n: int) -> None:
    rows = np.random.default_rng(n).gamma(1.0, size=(n, 7))
    without = [slow(np.delete(rows, i, axis=0)) for i in range(n)] if n > 4 else []
    found = distance_skewness(rows, random_state=0)
    assert found.value == pytest.approx(slow(rows))
    if without:
        error = math.sqrt((n - 1) / n * np.square(np.array(without) - np.mean(without)).sum())
        assert found.high - found.value == pytest.approx(1.6448536269514722 * error)
        assert found.value - found.low == pytest.approx(1.6448536269514722 * error)


@pytest.mark.parametrize("k", [2, 8, 50])
def test_one_gaussian_mode(k: int) -> None:
    rows = np.random.default_rng(k).normal(size=(600, k))
    found = distance_skewness(rows, random_state=0)
    assert found.value == pytest.approx(math.sqrt(8 / k), abs=0.25)
    assert found.high > 0


@pytest.mark.parametrize("seed", range(5))
def test_the_sign_turns_at_29_percent(seed: int) -> None:
    """Unit distances between copies and 1 from and between anomalies: two values alone."""
    for share, positive in ((0.1, True), (0.2, True), (0.27, True), (0.32, False), (0.4, False)):
        rng = np.random.default_rng(seed)
        n, odd = 200, round(share * 200)
        rows = np.zeros((n, 1 + odd))
        rows[:, 0] = 1.0
        rows[:odd] = np.eye(odd, 1 + odd, 1)
        found = distance_skewness(rng.permutation(rows), random_state=0)
        assert (found.value > 0) == positive
        assert found.low <= found.value <= found.high


def test_scarce_and_plentiful_anomalies() -> None:
    for seed in range(3):
        assert distance_skewness(mixture(0.1, seed), random_state=0).low > 0
        assert distance_skewness(mixture(0.2, seed), random_state=0).value > 0


def test_place_scale_and_order_do_not_matter() -> None:
    rows = np.random.default_rng(0).gamma(1.0, size=(40, 6))
    expected = distance_skewness(rows, random_state=0)
    moved = distance_skewness(1e20 * rows[::-1], random_state=1)
    assert (moved.low, moved.value, moved.high) == pytest.approx(
        (expected.low, expected.value, expected.high)
    )
    far = distance_skewness(rows + 100.0, random_state=1)
    assert far.value == pytest.approx(expected.value)


@pytest.mark.parametrize("rows", [np.zeros((6, 3)), np.full((9, 4), 0.1), np.eye(7)])
def test_equal_distances_have_none(rows: Array) -> None:
    assert distance_skewness(rows, random_state=0) == DistanceSkewness(0.0, 0.0, 0.0)


def test_large_pools_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = np.random.default_rng(0).normal(size=(500, 4))
    whole = distance_skewness(rows, random_state=0)
    monkeypatch.setattr(module, "MOST_ROWS", 200)
    part = distance_skewness(rows, random_state=0)
    assert part == distance_skewness(rows, random_state=0) != whole
    assert part.value == pytest.approx(whole.value, abs=0.4)


def test_too_few_images() -> None:
    with pytest.raises(NotEnoughImagesError, match="at least 4 target images, got 3"):
        distance_skewness(np.eye(3), random_state=0)
