"""Logistic regression with a kernel, and what each row would be told by the others."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["LogisticFit", "fit_logistic", "log_loss"]

Array = NDArray[np.float64]

# Newton's method doubles the correct digits with each step; from zero it takes 5 to 10.
_MOST_STEPS = 50
_CONVERGED = 1e-9
# Beyond it a row's probability is 0 or 1 in all digits that matter, and its curvature nothing.
_LARGEST_LOGIT = 30.0


@dataclass(frozen=True)
class LogisticFit:
    """A fit on n rows.

    Attributes:
        dual: float64 (n,), the weight of each row's kernel in the logit of another image.
        intercept: added to it.
        logits: float64 (n,), of the rows, what was given for each included.
        left_out: float64 (n,), the logit of each row by a fit without it, to first order.
    """

    dual: Array
    intercept: float
    logits: Array
    left_out: Array


def fit_logistic(kernel: Array, labels: Array, counts: Array, given: Array) -> LogisticFit:
    """Minimise ``sum counts * loss + |direction|^2 / 2`` over a direction and an intercept.

    The loss is that of logistic regression; the intercept costs nothing. Newton's method with
    halved steps. The logits without a row are those of one Newton step from the fit, exact for a
    quadratic loss (Cawley & Talbot 2008, Pattern Recognition Letters 29), at the cost of one
    inverse.

    Args:
        kernel: float64 (n, n), products of the rows.
        labels: float64 (n,), 1 or 0, both of them there.
        counts: float64 (n,), > 0, what each row counts for.
        given: float64 (n,), a part of each logit that is not fitted.

    Cost O(n^3) a step.
    """
    n = len(labels)
    values = np.zeros(n + 1)  # The dual weights, then the intercept.
    loss = _objective(values, kernel, labels, counts, given)
    for _ in range(_MOST_STEPS):
        system, response = _step(values, kernel, labels, counts, given)
        towards = np.linalg.solve(system, np.append(response, 0.0)) - values
        length = 1.0
        while length > _CONVERGED:
            found = values + length * towards
            below = _objective(found, kernel, labels, counts, given)
            if below <= loss:
                break
            length /= 2
        else:
            break
        gained, values, loss = loss - below, found, below
        if gained <= _CONVERGED * max(loss, 1.0):
            break
    return _finished(values, kernel, labels, counts, given)


def log_loss(logits: Array, labels: Array) -> Array:
    """Of each row, float64 (n,), in nats."""
    return np.asarray(np.logaddexp(0.0, logits) - labels * logits)


def _fitted(values: Array, kernel: Array) -> Array:
    return np.asarray(kernel @ values[:-1] + values[-1])


def _objective(values: Array, kernel: Array, labels: Array, counts: Array, given: Array) -> float:
    fitted = _fitted(values, kernel)
    penalty = 0.5 * float(values[:-1] @ (kernel @ values[:-1]))
    return float(counts @ log_loss(fitted + given, labels)) + penalty


def _step(
    values: Array, kernel: Array, labels: Array, counts: Array, given: Array
) -> tuple[Array, Array]:
    """The linear system of a Newton step (n + 1, n + 1), and the response (n,) it explains."""
    fitted = _fitted(values, kernel)
    logits = np.clip(fitted + given, -_LARGEST_LOGIT, _LARGEST_LOGIT)
    probability = 1.0 / (1.0 + np.exp(-logits))
    curvature = counts * probability * (1.0 - probability)
    response = fitted + counts * (labels - probability) / curvature
    n = len(labels)
    system = np.ones((n + 1, n + 1))
    system[:n, :n] = kernel + np.diag(1.0 / curvature)
    system[n, n] = 0.0
    return system, response


def _finished(
    values: Array, kernel: Array, labels: Array, counts: Array, given: Array
) -> LogisticFit:
    system, response = _step(values, kernel, labels, counts, given)
    inverse = np.linalg.inv(system)
    dual = (inverse @ np.append(response, 0.0))[:-1]
    left_out = response - dual / np.diagonal(inverse)[:-1]
    return LogisticFit(
        values[:-1], float(values[-1]), _fitted(values, kernel) + given, left_out + given
    )
