"""Gaussians of a few rows of every degenerate kind: finite, or a named error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.small_samples import KINDS, SIZES, STATES, end, finite, partner, sample, within
from threadpoolctl import threadpool_limits

from twofold.densities import (
    Gaussian,
    central,
    fit_adapted_gaussian,
    fit_gaussian,
    fit_trimmed,
    in_blocks,
    n_central,
    power_normalise,
    unit_rows,
)

Shrinkage = Literal["ledoit_wolf", "oas"]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make products this small many times slower."""
    with threadpool_limits(1):
        yield


def check(model: Gaussian | None, rows: NDArray[np.float64]) -> None:
    """All that a fit says is finite."""
    if model is not None:
        assert finite(model.mean, model.basis, model.floor)
        assert within(0, 1, model.shrinkage)
        assert within(0, np.inf, model.squared_distances(rows))


@pytest.mark.slow
@pytest.mark.parametrize("shrinkage", ["ledoit_wolf", "oas"])
@KINDS
@STATES
def test_gaussians(shrinkage: Shrinkage, kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        rows, known = sample(kind, n, state), partner(kind, 12, state)
        origin = np.zeros(rows.shape[1])
        check(end(fit_gaussian, rows, shrinkage=shrinkage), rows)
        check(end(fit_gaussian, rows, mean=origin, shrinkage=shrinkage), rows)
        check(end(fit_adapted_gaussian, known, rows, shrinkage=shrinkage), rows)
        check(end(fit_adapted_gaussian, rows, known, shrinkage=shrinkage), rows)
        for trim in (0.0, 0.25, 0.5):
            for source in (None, known):
                fitted = end(fit_trimmed, source, rows, trim=trim, shrinkage=shrinkage)
                check(fitted and fitted[0], rows)
                assert fitted is None or fitted[1].sum() == n_central(n, trim)


@KINDS
@STATES
def test_rows(kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        rows = sample(kind, n, state)
        expected = rows.any(axis=1).astype(np.float64)
        for normalised in (unit_rows(rows), power_normalise(rows)):
            assert np.linalg.norm(normalised, axis=1) == pytest.approx(expected)
        assert in_blocks(lambda block: block.sum(axis=1), rows).shape == (n,)
        for trim in (0.0, 0.25, 0.5):
            count = n_central(n, trim)
            assert central(np.square(rows[:, 0]), count).sum() == count
