"""Logistic regression with a kernel against scikit-learn, scipy and fits without a row."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from twofold.marks.logistic import LogisticFit, fit_logistic, log_loss

Array = NDArray[np.float64]


def rows_of(seed: int, n: int = 40, d: int = 5) -> tuple[Array, Array, Array, Array]:
    """Vectors, labels of both kinds, counts, and a part of the logits that is given."""
    rng = np.random.default_rng(seed)
    vectors = rng.normal(size=(n, d))
    labels = (vectors[:, 0] + rng.normal(size=n) > 0.5).astype(float)
    labels[:2] = 0.0, 1.0
    return vectors, labels, rng.uniform(0.1, 1.0, n), rng.normal(size=n)


def fitted(vectors: Array, labels: Array, counts: Array, given: Array) -> LogisticFit:
    return fit_logistic(vectors @ vectors.T, labels, counts, given)


@pytest.mark.parametrize("seed", range(5))
def test_it_is_scikit_learns(seed: int) -> None:
    vectors, labels, counts, _ = rows_of(seed)
    fit = fitted(vectors, labels, counts, np.zeros(len(labels)))
    known = LogisticRegression(tol=1e-10, max_iter=10_000).fit(vectors, labels, counts)
    np.testing.assert_allclose(fit.dual @ vectors, known.coef_[0], atol=1e-5)
    assert fit.intercept == pytest.approx(known.intercept_[0], abs=1e-5)
    np.testing.assert_allclose(fit.logits, known.decision_function(vectors), atol=1e-5)


@pytest.mark.parametrize("seed", range(5))
def test_a_given_part_is_not_fitted(seed: int) -> None:
    vectors, labels, counts, given = rows_of(seed)
    fit = fitted(vectors, labels, counts, given)

    def objective(values: Array) -> float:
        logits = vectors @ values[:-1] + values[-1] + given
        return float(counts @ log_loss(logits, labels) + 0.5 * values[:-1] @ values[:-1])

    known = minimize(objective, np.zeros(vectors.shape[1] + 1), tol=1e-10).x
    np.testing.assert_allclose([*(fit.dual @ vectors), fit.intercept], known, atol=1e-4)


@pytest.mark.parametrize("seed", range(5))
def test_left_out_is_nearly_a_fit_without_the_row(seed: int) -> None:
    vectors, labels, counts, given = rows_of(seed)
    fit = fitted(vectors, labels, counts, given)
    exact = np.empty(len(labels))
    for row in range(len(labels)):
        rest = np.arange(len(labels)) != row
        other = fitted(vectors[rest], labels[rest], counts[rest], given[rest])
        exact[row] = vectors[row] @ (other.dual @ vectors[rest]) + other.intercept + given[row]
    error = np.abs(fit.left_out - exact).mean()
    # Far nearer than the fit with the row in it.
    assert error < 0.1 * np.abs(fit.logits - exact).mean()


def test_rows_that_are_told_apart_without_error_end_in_finite_numbers() -> None:
    vectors = np.array([[-50.0], [-40.0], [40.0], [50.0]])
    fit = fitted(vectors, np.array([0.0, 0.0, 1.0, 1.0]), np.ones(4), np.zeros(4))
    assert np.isfinite([*fit.dual, *fit.logits, *fit.left_out]).all()
    assert (np.sign(fit.logits) == [-1, -1, 1, 1]).all()


def test_a_kernel_of_nothing_leaves_the_share() -> None:
    labels = np.array([1.0, 0.0, 0.0, 0.0])
    fit = fit_logistic(np.zeros((4, 4)), labels, np.ones(4), np.zeros(4))
    assert fit.intercept == pytest.approx(np.log(1 / 3), abs=1e-6)


def test_log_loss_of_any_logit() -> None:
    logits = np.array([-1e4, -1.0, 0.0, 1.0, 1e4])
    known = [1e4, *np.log1p(np.exp(-logits[1:4])), 0.0]
    np.testing.assert_allclose(log_loss(logits, np.ones(5)), known)
