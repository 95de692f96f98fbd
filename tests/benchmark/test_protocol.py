"""The split into an unlabelled pool and a test set."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from twofold.benchmark.protocol import uda_inductive
from twofold.errors import ConfigError, NotEnoughImagesError

SHARES = ["0", "0.001", "0.05", "0.1", "0.2", "0.3", "0.5"]


def shuffled(normals: int, anomalies: int) -> np.ndarray:
    return np.random.default_rng(9).permutation(np.repeat([0, 1], [normals, anomalies]))


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("normals", [2, 19, 20, 91, 180, 588, 920])
def test_every_image_is_used_once_and_the_share_is_exact(normals: int, share: str) -> None:
    labels = shuffled(normals, 1000)
    split = uda_inductive(labels, anomaly_share=float(share), random_state=3)
    assert sorted([*split.pool, *split.test]) == list(range(len(labels)))
    assert np.array_equal(labels[split.pool], split.pool_labels)
    assert np.array_equal(labels[split.test], split.test_labels)
    half = int((split.pool_labels == 0).sum())
    inside = int(split.pool_labels.sum())
    assert half == normals // 2
    # The fewest anomalies that make up the share of the pool, in exact arithmetic.
    exact = Fraction(share)
    assert inside >= exact * (half + inside)
    assert inside == 0 or inside - 1 < exact * (half + inside - 1)
    assert (inside >= 1) == (exact > 0)
    assert set(split.test_labels) == {0, 1}


def test_the_same_state_gives_the_same_split_and_another_another() -> None:
    labels = shuffled(100, 50)
    kept = labels.copy()
    first, again, other = (uda_inductive(labels, random_state=state) for state in (0, 0, 1))
    assert np.array_equal(first.pool, again.pool)
    assert np.array_equal(first.test, again.test)
    assert set(first.pool) != set(other.pool)
    assert np.array_equal(labels, kept)


@pytest.mark.parametrize("share", [-0.1, 1.0, 2.0, float("nan")])
def test_an_impossible_share_is_refused(share: float) -> None:
    with pytest.raises(ConfigError, match="anomaly_share"):
        uda_inductive(shuffled(20, 20), anomaly_share=share)


@pytest.mark.parametrize(("normals", "anomalies"), [(0, 5), (1, 5), (20, 0), (20, 1), (200, 5)])
def test_too_few_images_are_refused(normals: int, anomalies: int) -> None:
    with pytest.raises(NotEnoughImagesError, match="too few"):
        uda_inductive(shuffled(normals, anomalies))


@pytest.mark.parametrize("odd", [2, -1])
def test_labels_other_than_0_and_1_are_refused(odd: int) -> None:
    labels = shuffled(20, 20)
    labels[3] = odd
    with pytest.raises(ConfigError, match="labels"):
        uda_inductive(labels)
