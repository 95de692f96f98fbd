"""PCA before the density-based selectors."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.selection.projection import project


@pytest.mark.parametrize(
    ("n", "d", "k"), [(1, 8, 1), (4, 8, 1), (10, 8, 2), (40, 8, 8), (100, 64, 20), (400, 64, 32)]
)
def test_five_images_for_each_dimension_and_32_at_most(n: int, d: int, k: int) -> None:
    rows = project(np.random.default_rng(0).normal(size=(n, d)).astype(np.float32))
    assert rows.shape == (n, k)
    assert rows.dtype == np.float64
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-12)


def test_it_keeps_the_directions_of_most_variance() -> None:
    pool = np.random.default_rng(0).normal(size=(50, 20)) * np.geomspace(1, 1e-3, 20)
    eigenvalues = np.linalg.eigvalsh(np.cov(pool.T, bias=True))[::-1]
    np.testing.assert_allclose(project(pool).var(axis=0), eigenvalues[:10], rtol=1e-9)


def test_distances_stay_where_nothing_is_cut() -> None:
    pool = np.random.default_rng(0).normal(size=(40, 6))
    rows = project(pool)
    for i, j in [(0, 1), (3, 30), (12, 39)]:
        assert np.linalg.norm(rows[i] - rows[j]) == pytest.approx(np.linalg.norm(pool[i] - pool[j]))


@pytest.mark.parametrize("value", [0.0, 0.7, 1e-200])
@pytest.mark.parametrize("n", [1, 2, 7, 50])
def test_copies_of_one_row_are_at_the_origin(n: int, value: float) -> None:
    np.testing.assert_allclose(project(np.full((n, 4), value)), 0, atol=1e-12)


def test_rows_whose_squares_vanish_do_not_warn() -> None:
    pool = np.zeros((12, 3))
    pool[0, 0] = 1e-200
    assert np.isfinite(project(pool)).all()
