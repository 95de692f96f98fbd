"""One mode and its stragglers."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis

from twofold.densities import fit_trimmed, power_normalise, unit_rows
from twofold.selection.kmeans import select_kmeans
from twofold.selection.trimmed import select_trimmed


def pool(n: int, n_odd: int, seed: int = 0, d: int = 64) -> NDArray[np.float64]:
    """Positive vectors as behind a ReLU; the odd ones have other large channels."""
    rng = np.random.default_rng(seed)
    usual, other = rng.gamma(2.0, 1.0, d), rng.gamma(2.0, 1.0, d)
    means = np.where(np.arange(n + n_odd)[:, None] < n, usual, other)
    return unit_rows(means * rng.gamma(8.0, 1 / 8, (n + n_odd, d)))


@pytest.mark.parametrize("seed", [0, 1, 2])
@pytest.mark.parametrize("n_odd", [2, 10, 20])
def test_anomalies_are_stragglers_and_few_normals_are(n_odd: int, seed: int) -> None:
    found = select_trimmed(pool(100, n_odd, seed), n_clusters=2, random_state=seed)
    assert not found.dominant[100:].any()
    # One of a hundred is beyond the cut; more than eight have a chance below 1e-5.
    assert (~found.dominant[:100]).sum() <= 8


def test_one_mode_is_not_cut_in_two_as_by_clusters() -> None:
    rows = pool(200, 0)
    stragglers, cut = (
        (~select(rows, n_clusters=2, random_state=0).dominant).mean()
        for select in (select_trimmed, select_kmeans)
    )
    assert stragglers < 0.05
    assert cut > 0.3


def test_the_distances_are_those_of_the_mode() -> None:
    """By scipy, from the whole fit: whoever is farthest there is a straggler."""
    rows = pool(150, 12)
    model, kept = fit_trimmed(None, power_normalise(rows), trim=0.25)
    normal = power_normalise(rows)[kept]
    precision = np.linalg.inv(np.cov(normal.T) + 1e-4 * np.eye(rows.shape[1]))
    slow = [mahalanobis(row, normal.mean(axis=0), precision) for row in power_normalise(rows)]
    assert np.argsort(slow)[-12:].min() >= 150
    found = select_trimmed(rows, n_clusters=2, random_state=0)
    farthest = np.argsort(model.squared_distances(power_normalise(rows)))[-12:]
    assert not found.dominant[farthest].any()


def test_few_images_have_no_stragglers() -> None:
    rows = pool(5, 2)
    assert select_trimmed(rows, n_clusters=2, random_state=0).dominant.all()
