"""Gaussians and scales as parts of a graph say what those of NumPy say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twofold.densities import Gaussian, Scale, fit_gaussian, power_normalise, unit_rows
from twofold.densities.modules import (
    LEAST,
    SquaredDistances,
    Standardise,
    power_normalised,
    unit,
)


@pytest.mark.parametrize(("n", "d"), [(5, 40), (39, 40), (40, 40), (200, 40), (2, 3)])
def test_squared_distances(n: int, d: int) -> None:
    rng = np.random.default_rng(n)
    rows = rng.normal(size=(n, d)) * rng.uniform(0.01, 3, d) + 5
    model = fit_gaussian(rows)
    others = np.concatenate([rows, rng.normal(size=(20, d)) + 5])
    said = SquaredDistances(model)(torch.from_numpy(others.astype(np.float32))).numpy()
    np.testing.assert_allclose(said, model.squared_distances(others), rtol=2e-5)


def test_a_row_that_lies_all_but_in_the_span_loses_no_digits() -> None:
    """There the square is a small difference of two large numbers, which float32 cannot take."""
    rng = np.random.default_rng(0)
    basis = np.linalg.qr(rng.normal(size=(60, 12)))[0].T * 0.9999
    model = Gaussian(np.zeros(60), basis, 0.5, 0.1)
    inside = rng.normal(size=(7, 12)) @ basis
    expected = model.squared_distances(inside)
    rows = torch.from_numpy(inside.astype(np.float32))
    np.testing.assert_allclose(SquaredDistances(model)(rows).numpy(), expected, rtol=2e-5)
    centred, half = rows.numpy(), basis.astype(np.float32)
    naive = (np.square(centred).sum(1) - np.square(centred @ half.T).sum(1)) / np.float32(0.5)
    assert np.abs(naive / expected - 1).max() > 2e-4


def test_normalised_rows() -> None:
    rows = np.random.default_rng(0).normal(size=(6, 9)).astype(np.float32)
    rows[2] = 0
    tensor = torch.from_numpy(rows)
    np.testing.assert_allclose(unit(tensor).numpy(), unit_rows(rows), rtol=1e-6)
    np.testing.assert_allclose(power_normalised(tensor).numpy(), power_normalise(rows), rtol=1e-6)


def test_standardised_scores() -> None:
    scale, scores = Scale(1.5, 0.25), np.array([LEAST, 0.1, 1.0, 1e9])
    said = Standardise(scale)(torch.from_numpy(scores.astype(np.float32))).numpy()
    np.testing.assert_allclose(said, scale.standardise(scores), rtol=1e-6)
    assert np.isfinite(Standardise(scale)(torch.zeros(1)).numpy()).all()
