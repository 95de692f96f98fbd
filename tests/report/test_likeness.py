"""Nearest normals and the flat map, against double loops and scikit-learn."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from twofold.report.likeness import flat_map, nearest


def test_nearest_is_that_of_a_double_loop() -> None:
    generator = np.random.default_rng(0)
    new, known = (generator.normal(size=(n, 7)).astype(np.float32) for n in (1500, 23))
    found, apart = nearest(new, known, 3)
    for row in range(0, 1500, 50):
        slow = [float(np.linalg.norm(new[row] - other)) for other in known]
        assert found[row].tolist() == np.argsort(slow)[:3].tolist()
        assert apart[row] == pytest.approx(sorted(slow)[:3], abs=1e-4)


def test_fewer_known_rows_than_wanted() -> None:
    rows = np.eye(4, dtype=np.float32)
    found, apart = nearest(rows, rows[:2], 3)
    assert found.shape == (4, 2)
    assert found[0].tolist() == [0, 1]
    assert apart[1, 0] == 0


def test_the_map_is_that_of_principal_components() -> None:
    generator = np.random.default_rng(1)
    known = (generator.normal(size=(40, 9)) * np.linspace(3, 1, 9)).astype(np.float32)
    new = generator.normal(size=(5, 9)).astype(np.float32)
    found, other = flat_map(known, new), PCA(2).fit(known.astype(np.float64))
    for mine, theirs in ((found.known, known), (found.new, new)):
        assert np.allclose(
            np.abs(mine), np.abs(other.transform(theirs.astype(np.float64))), atol=1e-5
        )
    assert found.explained == pytest.approx(other.explained_variance_ratio_.sum(), abs=1e-6)


def test_copies_have_a_map_too() -> None:
    rows = np.ones((5, 4), dtype=np.float32)
    found = flat_map(rows, rows)
    assert np.isfinite(found.known).all()
    assert found.explained == 1.0
