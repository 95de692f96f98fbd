"""Nearest rows against a full matrix of distances."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from twofold.eyes.neighbours import nearest_squares


@pytest.mark.parametrize(("p", "k"), [(1, 1), (3, 2), (1024, 1025), (2500, 2100)])
def test_equals_the_least_of_all_distances(p: int, k: int) -> None:
    rng = np.random.default_rng(p + k)
    patches = (rng.normal(size=(p, 5)) + 3).astype(np.float32)
    rows = (rng.normal(size=(k, 5)) + 3).astype(np.float32)
    expected = cdist(patches, rows, "sqeuclidean").min(axis=1)
    np.testing.assert_allclose(nearest_squares(patches, rows), expected, rtol=1e-4, atol=1e-5)


def test_excluded_rows_do_not_count() -> None:
    rng = np.random.default_rng(0)
    patches, rows = rng.normal(size=(2, 1300, 4)).astype(np.float32)
    excluded = rng.random(1300) < 0.7
    expected = cdist(patches, rows[~excluded], "sqeuclidean").min(axis=1)
    found = nearest_squares(patches, rows, excluded)
    np.testing.assert_allclose(found, expected, rtol=1e-4, atol=1e-5)


def test_a_row_itself_is_at_no_distance_however_far_from_the_origin() -> None:
    rows = (np.random.default_rng(0).normal(size=(50, 6)) + 1000).astype(np.float32)
    assert (nearest_squares(rows, rows) == 0).all()
