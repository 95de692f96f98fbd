"""Models of patches as parts of a graph say what those of NumPy say."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist

from twofold.eyes import FreeBank, as_places, fit_patch_gaussians, patch_moments, top_mean
from twofold.eyes.modules import BankSquares, NearestRows, PlaceSquares, TopMean

RNG = np.random.default_rng(3)
PATCHES = RNG.normal(size=(30, 6, 3, 4)).astype(np.float32)


@pytest.mark.parametrize("shared", [False, True])
def test_places(shared: bool) -> None:
    model = fit_patch_gaussians(patch_moments(as_places(PATCHES), shared=shared))
    said = PlaceSquares(model)(torch.from_numpy(PATCHES)).numpy()
    np.testing.assert_allclose(said, model.squared_distances(PATCHES), rtol=1e-5)


def test_the_nearest_of_some_rows() -> None:
    rows = RNG.normal(size=(50, 6)).astype(np.float32)
    patches = RNG.normal(size=(2, 12, 6)).astype(np.float32)
    patches[0, 0] = rows[17]
    found = NearestRows(rows)(torch.from_numpy(patches))
    apart = np.stack([cdist(one, rows, "sqeuclidean") for one in patches.astype(np.float64)])
    np.testing.assert_array_equal(found.rows.numpy(), apart.argmin(axis=2))
    np.testing.assert_allclose(found.squares.numpy(), apart.min(axis=2), rtol=1e-5)
    assert found.squares[0, 0] == 0


def test_a_bank() -> None:
    rows = RNG.normal(size=(40, 6)).astype(np.float32)
    model = FreeBank(rows.mean(axis=0), np.diag(np.arange(1, 7)).astype(np.float32), rows)
    said = BankSquares(model)(torch.from_numpy(PATCHES)).numpy()
    np.testing.assert_allclose(said, model.squared_distances(PATCHES), rtol=1e-5)


@pytest.mark.parametrize(("places", "n_shown"), [(3, 12), (1, 12), (3, 2), (20, 12), (20, 5)])
def test_the_mean_of_the_oddest(places: int, n_shown: int) -> None:
    shown = np.arange(12) < n_shown
    distances = RNG.uniform(0, 5, (8, 12)) * shown
    looked_at = None if n_shown == 12 else np.tile(shown, (8, 1))
    module = TopMean(12, places, None if looked_at is None else shown)
    said = module(torch.from_numpy(distances.astype(np.float32))).numpy()
    np.testing.assert_allclose(said, top_mean(distances, places, looked_at), rtol=1e-6)
