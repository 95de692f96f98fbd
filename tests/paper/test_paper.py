"""The paper's argument where it holds: scarce anomalies that cluster apart from the normals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold.errors import NotEnoughImagesError

HEAD: dict[str, Any] = {"training": {"trainable": "head"}, "lambda_uda": 1.0}


def area(name: str, world: toy.Encoded, seed: int, **options: Any) -> float:
    return toy.area(toy.fit(name, world, seed, **options), world)


@pytest.mark.slow
def test_adaptation_helps_where_scarcity_holds() -> None:
    adapted, before = [], []
    for seed in range(4):
        world = toy.clouds(seed)
        adapted.append(area("paper", world, seed, **HEAD))
        before.append(area("source_only", world, seed, training={"trainable": "head"}))
    assert np.mean(adapted) > np.mean(before) + 0.05, (adapted, before)


@pytest.mark.slow
def test_true_labels_help_on_images() -> None:
    """The objective works on rendered images when its partition is right."""
    gains = []
    for seed in range(3):
        world = noisy_world(seed)
        gains.append(area("oracle", world, seed, lambda_uda=1.0) - area("source_only", world, seed))
    assert np.mean(gains) > 0.05, gains


def noisy_world(seed: int) -> toy.Encoded:
    domain = toy.Domain((60, 70, 90), (180, 170, 150), 2.5, 30.0)
    return toy.encode_world(toy.make_world(seed, share=0.2, target=domain))


@pytest.mark.slow
def test_selection_splits_the_clouds() -> None:
    world = toy.clouds(0)
    fit = toy.fitting("paper", world, **HEAD)
    assert np.array_equal(
        fit.diagnostics.partition.dominant, np.flatnonzero(world.pool_labels == 0)
    )
    assert np.array_equal(fit.diagnostics.partition.others, np.flatnonzero(world.pool_labels))


@pytest.mark.slow
def test_contamination_hurts_where_everything_counts_as_dominant() -> None:
    """One cluster: no negatives, anomalies among the positives; the true partition does better."""
    one, true = [], []
    for seed in range(3):
        world = toy.clouds(seed, share=0.3)
        one.append(area("paper", world, seed, selector="kmeans", n_clusters=1, **HEAD))
        true.append(area("oracle", world, seed, **HEAD))
    assert np.mean(true) > np.mean(one)


def test_more_clusters_than_images() -> None:
    with pytest.raises(NotEnoughImagesError, match=r"101 clusters need at least 101 .* got 100"):
        toy.fit("paper", toy.clouds(0), selector="kmeans", n_clusters=101, **HEAD)
