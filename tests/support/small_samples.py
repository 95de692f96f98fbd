"""Samples of a few rows, of every degenerate kind, and what must come of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import ParamSpec, TypeVar

import numpy as np
import pytest
from numpy.typing import ArrayLike, NDArray

from twofold.errors import TwofoldError

Array = NDArray[np.float64]
Found = TypeVar("Found")
Given = ParamSpec("Given")

SIZES = (0, 1, 2, 3, 4, 5, 8, 10, 11, 12, 14, 20)
DIM = 6

# One random state in the quick suite, a few more in the whole one.
STATES = pytest.mark.parametrize(
    "states", [range(1), pytest.param(range(1, 4), marks=pytest.mark.slow)], ids=["quick", "more"]
)


def _outlier(rng: np.random.Generator, n: int) -> Array:
    rows = np.tile(rng.normal(size=DIM), (n, 1))
    rows[:1] += 5.0
    return rows


def _constant_columns(rng: np.random.Generator, n: int) -> Array:
    rows = rng.normal(size=(n, DIM))
    rows[:, ::2] = 0.3
    return rows


_KINDS: dict[str, Callable[[np.random.Generator, int], Array]] = {
    "usual": lambda rng, n: rng.normal(size=(n, DIM)),
    # The mean of equal rows is not always their value: 0.1 has no end in binary.
    "equal": lambda rng, n: np.tile(0.1 * rng.normal(size=DIM), (n, 1)),
    "zeros": lambda rng, n: np.zeros((n, DIM)),
    "two distinct": lambda rng, n: rng.normal(size=(2, DIM))[rng.integers(2, size=n)],
    "duplicates": lambda rng, n: rng.normal(size=(2, DIM))[np.arange(n) % 2],
    "one outlier": _outlier,
    "one dimension": lambda rng, n: rng.normal(size=(n, 1)),
    "constant columns": _constant_columns,
    "ties": lambda rng, n: rng.integers(0, 2, size=(n, DIM)).astype(np.float64),
    "huge": lambda rng, n: 1e30 * rng.normal(size=(n, DIM)),
    "tiny": lambda rng, n: 1e-30 * rng.normal(size=(n, DIM)),
    "equal and huge": lambda rng, n: np.tile(1e30 * rng.normal(size=DIM), (n, 1)),
    "rounding": lambda rng, n: 1.0 + 1e-13 * rng.normal(size=(n, DIM)),
    "wide": lambda rng, n: rng.normal(size=(n, 40)),
}

KINDS = pytest.mark.parametrize("kind", list(_KINDS))


def sample(kind: str, n: int, state: int) -> Array:
    """The rows (n, d) of a kind and a random state."""
    return _KINDS[kind](np.random.default_rng([n, state]), n)


def partner(kind: str, n: int, state: int) -> Array:
    """Usual rows of as many dimensions, and of the same scale."""
    rows = sample(kind, 1, state)
    scale = 1e30 if "huge" in kind else 1e-30 if kind == "tiny" else 1.0
    return scale * np.random.default_rng([n, state, 1]).normal(size=(n, rows.shape[1]))


def end(call: Callable[Given, Found], *args: Given.args, **options: Given.kwargs) -> Found | None:
    """What a call returns; None where it ends in a named error of one line.

    Anything else that it raises, warnings among it, fails the test.
    """
    try:
        return call(*args, **options)
    except TwofoldError as error:
        message = str(error)
    assert len(message.splitlines()) == 1
    return None


def within(low: float, high: float, *values: ArrayLike) -> bool:
    """Whether all are finite and in a range."""
    arrays = [np.asarray(value, dtype=np.float64) for value in values]
    return all(bool((np.isfinite(a) & (a >= low) & (a <= high)).all()) for a in arrays)


def finite(*values: ArrayLike) -> bool:
    """Whether all are finite."""
    return within(-np.inf, np.inf, *values)
