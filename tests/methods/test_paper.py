"""The paper's argument where it holds: scarce anomalies that cluster apart from the normals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold.benchmark.metrics import auroc
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.methods import METHODS, parse_config
from twofold.selection import SELECTORS

HEAD: dict[str, Any] = {"training": {"trainable": "head"}, "lambda_uda": 1.0}


def clouds(seed: int, *, share: float = 0.2, shift: float = 3.0, away: float = 3.0) -> toy.Encoded:
    """Target normals lie ``shift`` from the source, anomalies ``away`` from it elsewhere."""
    rng = np.random.default_rng(seed)
    base, normal, anomalous = rng.normal(size=(3, toy.DIM))
    base *= 6 / np.linalg.norm(base)
    normal *= shift / np.linalg.norm(normal)
    anomalous *= away / np.linalg.norm(anomalous)

    def draw(labels: toy.Labels, center: toy.Floats) -> Any:
        rows = center + np.where(labels[:, None] == 1, anomalous - normal, 0.0)
        return toy.from_arrays(pooled=rows + rng.normal(0, 0.25, (len(labels), toy.DIM)))

    pool_labels = (np.arange(100) < 100 * share).astype(np.int64)
    test_labels = np.arange(100) % 2
    return toy.Encoded(
        source=draw(np.zeros(60, dtype=np.int64), base),
        pool=draw(pool_labels, base + normal),
        pool_labels=pool_labels,
        test=draw(test_labels, base + normal),
        test_labels=test_labels,
    )


def area(name: str, world: toy.Encoded, seed: int, **options: Any) -> float:
    method = METHODS.load(name)
    model = method(toy.encoder(), parse_config(method, options))
    scores = model.fit(toy.fit_data(method, world), random_state=seed).score(world.test)
    return auroc(scores[world.test_labels == 0], scores[world.test_labels == 1])


def test_adaptation_helps_where_scarcity_holds() -> None:
    adapted, before = [], []
    for seed in range(4):
        world = clouds(seed)
        adapted.append(area("paper", world, seed, **HEAD))
        before.append(area("source_only", world, seed, training={"trainable": "head"}))
    assert np.mean(adapted) > np.mean(before) + 0.05, (adapted, before)


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


def test_selection_splits_the_clouds() -> None:
    world = clouds(0)
    method = METHODS.load("paper")
    model: Any = method(toy.encoder(), parse_config(method, HEAD))
    model.fit(toy.fit_data(method, world))
    assert np.array_equal(model.selection_.dominant, world.pool_labels == 0)
    assert np.array_equal(model.partition_.dominant, np.flatnonzero(world.pool_labels == 0))
    assert np.array_equal(model.partition_.others, np.flatnonzero(world.pool_labels))


def test_contamination_hurts_where_everything_counts_as_dominant() -> None:
    """One cluster: no negatives, anomalies among the positives; the true partition does better."""
    one, true = [], []
    for seed in range(3):
        world = clouds(seed, share=0.3)
        one.append(area("paper", world, seed, n_clusters=1, **HEAD))
        true.append(area("oracle", world, seed, **HEAD))
    assert np.mean(true) > np.mean(one)


def test_more_clusters_than_images() -> None:
    method = METHODS.load("paper")
    data = toy.fit_data(method, clouds(0))
    with pytest.raises(NotEnoughImagesError, match=r"101 clusters need at least 101 .* got 100"):
        method(toy.encoder(), parse_config(method, HEAD | {"n_clusters": 101})).fit(data)


def test_the_selector_is_looked_up() -> None:
    method = METHODS.load("paper")
    data = toy.fit_data(method, clouds(0))
    with pytest.raises(ConfigError, match=f"choose one of {SELECTORS.ids()[0]}"):
        method(toy.encoder(), parse_config(method, HEAD | {"selector": "no"})).fit(data)
