"""Directions of the source, and the reference that is made with them."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.decomposition import PCA

from twofold.drift import DriftReference, leading_directions


@pytest.mark.parametrize(("n", "d"), [(50, 20), (20, 50), (5, 40), (60, 3)])
def test_directions_are_principal_components(n: int, d: int) -> None:
    rows = np.random.default_rng(0).normal(size=(n, d)) * np.linspace(3, 1, d)
    found = leading_directions(rows)
    expected = PCA(len(found)).fit(rows).components_
    assert len(found) == min(8, n - 1, d)
    np.testing.assert_allclose(np.abs((found * expected).sum(axis=1)), 1.0, rtol=1e-6)


def test_what_does_not_vary_is_no_direction() -> None:
    rows = np.zeros((10, 6))
    rows[:, 0] = np.arange(10)
    assert leading_directions(rows).shape == (1, 6)
    assert leading_directions(np.ones((10, 6))).shape == (0, 6)


def test_one_of_a_group_stands_for_it() -> None:
    rng = np.random.default_rng(1)
    source, target = rng.normal(size=(30, 12)), rng.normal(size=(40, 12))
    scores = rng.random(40)
    groups = np.repeat(np.arange(20), 2)
    reference = DriftReference.of(source, target, scores, groups)
    assert reference.values.shape == (20, 9)
    np.testing.assert_array_equal(reference.values[:, 0], scores[::2])
    np.testing.assert_allclose(reference.values[:, 1:], target[::2] @ reference.directions.T)
    np.testing.assert_allclose(
        reference.numbers(scores[::2], target[::2]), reference.values, rtol=1e-12
    )


def test_a_reference_is_bounded_and_comes_back() -> None:
    rng = np.random.default_rng(2)
    reference = DriftReference.of(
        rng.normal(size=(9, 4)), rng.normal(size=(6000, 4)), rng.random(6000), np.arange(6000)
    )
    assert len(reference.values) == 5000
    again = DriftReference.from_state(reference.state(), 4)
    np.testing.assert_array_equal(again.values, reference.values)
    state = reference.state()
    for wrong in (
        {"values": state["values"][:, :2]},
        {"values": state["values"].astype(np.float32)},
        {"directions": state["directions"][:, :3]},
        {"directions": state["directions"] * np.nan},
    ):
        with pytest.raises(ValueError, match="reference of drift"):
            DriftReference.from_state(state | wrong, 4)
