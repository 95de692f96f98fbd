"""The global view: what a source image counts for, and scores of images that no fit has seen."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from twofold.densities import Splits, fit_adapted_gaussian, fit_trimmed
from twofold.methods.base import FOLDS, folds
from twofold.methods.views import global_view
from twofold.methods.views.global_view import choose_global_weight, cross_fit_global, fit_global

Array = NDArray[np.float64]


def rows(n: int, spread: Array, seed: int, shift: float = 0.0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, len(spread))) * spread + shift


# Two ways of varying: in the first directions, and in the last.
D = 30
ALIKE = np.linspace(2.0, 0.1, D)
OTHERWISE = ALIKE[::-1].copy()


def test_a_source_that_varies_alike_counts_in_full() -> None:
    splits = Splits(rows(80, ALIKE, 0, 5.0), rows(40, ALIKE, 1))
    assert choose_global_weight(splits, trim=0.25, random_state=0) == (1.0,)


def test_a_source_that_varies_otherwise_has_half_of_the_say() -> None:
    splits = Splits(rows(80, OTHERWISE, 0, 5.0), rows(120, ALIKE, 1))
    weights = choose_global_weight(splits, trim=0.25, random_state=0)
    assert weights[0] == 1.0
    assert weights[1:] in ((0.0,), (0.1,))


def test_the_likelihood_is_that_of_a_normal_distribution(monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than dimensions, where the fit is a plain covariance matrix."""
    d, weight = 4, 0.3
    source, pool = rows(30, ALIKE[:d], 0, 5.0), rows(24, ALIKE[:d], 1)
    kept = np.arange(24) < 20
    monkeypatch.setattr(global_view, "_WEIGHTS", (weight,))
    monkeypatch.setattr(global_view, "_REPEATS", 1)
    found = global_view._log_likelihoods(Splits(source, pool), kept, np.random.default_rng(7))
    order = np.random.default_rng(7).permutation(20)
    expected = 0.0
    for half, other in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        model = fit_adapted_gaussian(source, pool[half], source_weight=weight)
        inverse = model.basis.T @ model.basis
        normal = multivariate_normal(model.mean, np.linalg.inv(inverse))
        # Constants of the dimension are the same for all weights.
        expected += normal.logpdf(pool[other]).sum() + len(other) * d / 2 * np.log(2 * np.pi)
    assert found[weight] == pytest.approx(expected, rel=1e-6)


def test_scores_are_the_geometric_mean_of_both_fits() -> None:
    source, pool = rows(60, OTHERWISE, 0, 5.0), rows(50, ALIKE, 1)
    fit = fit_global(Splits(source, pool), trim=0.25, weights=(1.0, 0.1))
    test = rows(9, ALIKE, 2)
    each = []
    for weight, kept in zip((1.0, 0.1), fit.kept, strict=True):
        model, expected_kept = fit_trimmed(source, pool, trim=0.25, source_weight=weight)
        assert np.array_equal(kept, expected_kept)
        each.append(model.squared_distances(test))
    np.testing.assert_allclose(fit.view.scores(test), np.sqrt(each[0] * each[1]), rtol=1e-9)


def test_held_out_scores_are_those_of_fits_without_the_fold() -> None:
    source, pool = rows(60, OTHERWISE, 0, 5.0), rows(50, ALIKE, 1)
    splits, groups = Splits(source, pool), np.arange(50) // 2
    fit = fit_global(splits, trim=0.25, weights=(1.0, 0.3))
    found = cross_fit_global(fit, splits, groups, random_state=3)
    for fold in folds(groups, FOLDS, 3):
        product = np.ones(int(fold.sum()))
        for weight, kept in zip(fit.weights, fit.kept, strict=True):
            model = fit_adapted_gaussian(source, pool[kept & ~fold], source_weight=weight)
            product *= model.squared_distances(pool[fold])
        np.testing.assert_allclose(found[fold], np.sqrt(product), rtol=1e-8)


@pytest.mark.parametrize("n", [2, 3, 4, 5])
def test_few_images(n: int) -> None:
    """Too few to hold any out: the source counts in full."""
    splits = Splits(rows(20, OTHERWISE, 0), rows(n, ALIKE, 1))
    weights = choose_global_weight(splits, trim=0.25, random_state=0)
    assert n >= 5 or weights == (1.0,)
    scores = cross_fit_global(
        fit_global(splits, trim=0.25, weights=weights), splits, np.arange(n), random_state=0
    )
    assert np.isfinite(scores).all()


def test_halves_that_are_all_alike_leave_the_source_in_full() -> None:
    pool = np.repeat(rows(1, ALIKE, 1), 12, axis=0)
    splits = Splits(rows(20, ALIKE, 0), pool)
    assert choose_global_weight(splits, trim=0.25, random_state=0) == (1.0,)
