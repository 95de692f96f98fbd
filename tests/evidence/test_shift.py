"""The two-sample tests against loops, under no shift, under shift and at the edges."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.densities import leading_components
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.evidence.shift import (
    _cross_fitted,
    mmd_test,
    two_sample_test,
)
from twofold.metrics import auroc
from twofold.selection.projection import project

Array = NDArray[np.float64]
TESTS = pytest.mark.parametrize("test", [two_sample_test, mmd_test])


def cloud(n: int, d: int, *, seed: int, shift: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d)) + shift


def mmd_loop(source: Array, target: Array) -> float:
    """The definition, a double loop over pairs, with the median of all squared distances."""
    rows = np.concatenate([source, target])
    scale = np.median([math.dist(u, v) ** 2 for u, v in itertools.combinations(rows, 2)])

    def kernel(u: Array, v: Array) -> float:
        return math.exp(-(math.dist(u, v) ** 2) / (2 * scale))

    def within(side: Array) -> float:
        return float(np.mean([kernel(u, v) for u, v in itertools.permutations(side, 2)]))

    across = float(np.mean([kernel(u, v) for u in source for v in target]))
    return within(source) + within(target) - 2 * across


@pytest.mark.parametrize(("n", "m", "d"), [(4, 4, 1), (5, 9, 4), (12, 6, 20)])
def test_mmd_equals_the_double_loop(n: int, m: int, d: int) -> None:
    source, target = cloud(n, d, seed=1), cloud(m, d, seed=2, shift=0.5)
    found = mmd_test(source, target, permutations=1, random_state=0).value
    assert found == pytest.approx(mmd_loop(source, target), abs=1e-12)


@pytest.mark.parametrize("shift", [0.0, 0.7, 2.0])
def test_the_mmd_p_value_approaches_that_of_all_splits(shift: float) -> None:
    source, target = cloud(4, 2, seed=5), cloud(4, 2, seed=6, shift=shift)
    rows = np.concatenate([source, target])
    values = []
    for inside in itertools.combinations(range(8), 4):
        outside = [i for i in range(8) if i not in inside]
        values.append(mmd_loop(rows[list(inside)], rows[outside]))
    exact = np.mean(np.array(values) >= mmd_loop(source, target) - 1e-12)
    found = mmd_test(source, target, permutations=2000, random_state=0).p_value
    assert found == pytest.approx(exact, abs=0.05)


def test_cross_fitting_equals_the_loop() -> None:
    rows = cloud(17, 3, seed=0)
    fold = np.array([0] * 6 + [1] * 5 + [2] * 6)
    is_target = np.array([0, 0, 1, 1, 1, 1, 0, 0, 0, 1, 1, 0, 1, 1, 1, 1, 1], dtype=bool)
    expected = []
    for row, own in zip(rows, fold, strict=True):
        near = rows[~is_target & (fold != own)].mean(axis=0)
        far = rows[is_target & (fold != own)].mean(axis=0)
        expected.append(math.dist(row, near) ** 2 / 2 - math.dist(row, far) ** 2 / 2)
    scores = _cross_fitted(rows, is_target, fold)
    np.testing.assert_allclose(scores, expected, atol=1e-12)
    pairs = [(scores[t], scores[s]) for t in np.flatnonzero(is_target) for s in range(17)]
    pairs = [pair for pair, s in zip(pairs, list(range(17)) * 17, strict=False) if not is_target[s]]
    won = np.mean([1.0 if t > s else 0.5 * (t == s) for t, s in pairs])
    assert auroc(scores[~is_target], scores[is_target]) == pytest.approx(won)


def test_whitened_by_all_rows_the_means_differ_along_fishers_discriminant() -> None:
    source, target = cloud(40, 3, seed=1) * [1, 5, 0.2], cloud(30, 3, seed=2) * [1, 5, 0.2] + 0.4
    within = np.cov(source.T, bias=True) * 40 + np.cov(target.T, bias=True) * 30
    fisher = np.linalg.solve(within, target.mean(axis=0) - source.mean(axis=0))
    total = np.cov(np.concatenate([source, target]).T)
    ours = np.linalg.solve(total, target.mean(axis=0) - source.mean(axis=0))
    cosine = fisher @ ours / np.linalg.norm(fisher) / np.linalg.norm(ours)
    assert cosine == pytest.approx(1.0, abs=1e-12)


@TESTS
@pytest.mark.parametrize(("n", "m"), [(4, 4), (9, 21), (30, 30)])
def test_p_values_are_uniform_without_shift(test: Callable[..., Any], n: int, m: int) -> None:
    draws = 100
    found = []
    for seed in range(draws):
        rows = np.random.default_rng(seed).standard_t(4, size=(n + m, 4))
        found.append(test(rows[:n], rows[n:], permutations=19, random_state=seed).p_value)
    for level in (0.05, 0.1, 0.25, 0.5):
        assert np.mean(np.array(found) <= level) <= level + 3 * math.sqrt(level / draws)
    assert 0.4 < np.mean(found) < 0.72  # ties between few permutations lift it


@TESTS
@pytest.mark.parametrize(("n", "m", "shift"), [(4, 4, 6.0), (8, 40, 1.5), (60, 40, 0.7)])
def test_p_values_are_small_under_shift(
    test: Callable[..., Any], n: int, m: int, shift: float
) -> None:
    found = [
        test(cloud(n, 6, seed=2 * s), cloud(m, 6, seed=2 * s + 1, shift=shift), random_state=s)
        for s in range(5)
    ]
    assert np.median([one.p_value for one in found]) < 0.06


def test_figures_follow_the_size_of_the_shift() -> None:
    source = cloud(150, 20, seed=1)
    found = [
        two_sample_test(source, cloud(150, 20, seed=2, shift=s), permutations=1, random_state=0)
        for s in (0.0, 0.2, 0.5, 2.0)
    ]
    aurocs = [one.auroc for one in found]
    assert aurocs == sorted(aurocs)
    assert abs(aurocs[0] - 0.5) < 0.1
    assert found[-1].auroc == found[-1].accuracy == 1.0


@pytest.mark.parametrize("share", [0.1, 0.2])
def test_contamination_moves_the_figures_little(share: float) -> None:
    source, moved = cloud(300, 30, seed=1), cloud(300, 30, seed=2)
    moved[: int(300 * share), 0] += 8.0
    apart = two_sample_test(source, moved, permutations=1, random_state=0)
    assert apart.auroc < 0.5 + share / 2 + 0.05
    direction = np.eye(30)[5:10].sum(axis=0)
    clean = two_sample_test(
        source, cloud(300, 30, seed=2) + direction, permutations=1, random_state=0
    )
    soiled = two_sample_test(source, moved + direction, permutations=1, random_state=0)
    assert abs(clean.auroc - soiled.auroc) < share / 2


def test_spread_alone_is_seen_by_the_mmd() -> None:
    source, target = cloud(120, 4, seed=1), 2.0 * cloud(120, 4, seed=2)
    assert mmd_test(source, target, random_state=0).p_value < 0.01
    assert abs(two_sample_test(source, target, permutations=1, random_state=0).auroc - 0.5) < 0.15


def test_two_points_are_told_apart_and_one_is_not() -> None:
    same = np.ones((6, 3))
    assert mmd_test(same, same, permutations=9, random_state=0).value == 0.0
    assert mmd_test(same, same, permutations=9, random_state=0).p_value == 1.0
    found = two_sample_test(same, same, permutations=9, random_state=0)
    assert (found.auroc, found.accuracy, found.p_value) == (0.5, 0.5, 1.0)
    found = two_sample_test(same, 2 * same, random_state=0)
    assert (found.auroc, found.accuracy) == (1.0, 1.0)
    assert found.p_value < 0.05
    assert mmd_test(same, 2 * same, random_state=0).p_value < 0.05


@TESTS
def test_large_samples_are_thinned_and_inputs_left_alone(test: Callable[..., Any]) -> None:
    source = cloud(2300, 3, seed=1).astype(np.float32)
    target = cloud(5, 3, seed=2, shift=3.0).astype(np.float32)
    before = source.copy(), target.copy()
    found = test(source, target, permutations=20, random_state=0)
    assert found == test(source, target, permutations=20, random_state=0)
    assert found.p_value < 0.1
    np.testing.assert_array_equal(source, before[0])
    np.testing.assert_array_equal(target, before[1])


@TESTS
def test_named_errors(test: Callable[..., Any]) -> None:
    four = cloud(4, 2, seed=0)
    with pytest.raises(NotEnoughImagesError, match="at least 4 source images, got 3"):
        test(four[:3], four, random_state=0)
    with pytest.raises(NotEnoughImagesError, match="at least 4 target images, got 0"):
        test(four, four[:0], random_state=0)
    with pytest.raises(ConfigError, match="permutations"):
        test(four, four, permutations=0, random_state=0)


def test_leading_components_are_those_of_the_exact_decomposition() -> None:
    rows = cloud(200, 60, seed=0) * 0.8 ** np.arange(60) + 3.0
    ours, exact = leading_components(rows, random_state=0), project(rows)
    assert ours.shape == exact.shape == (200, 32)
    np.testing.assert_allclose(np.abs(ours[:, :10]), np.abs(exact[:, :10]), atol=1e-3)
    np.testing.assert_allclose(ours.mean(axis=0), 0.0, atol=1e-12)


def test_leading_components_without_variance_are_left_out() -> None:
    rows = np.zeros((100, 30))
    rows[:, :2] = cloud(100, 2, seed=0)
    assert leading_components(rows + 5.0, random_state=0).shape == (100, 2)
    np.testing.assert_array_equal(leading_components(rows[:, 5:] + 5.0, random_state=0), 0.0)
