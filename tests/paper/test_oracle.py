"""The pool's labels: as the partition of eq. 10, or to train a classifier on."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.methods.base import folds

CLASSIFIER: dict[str, Any] = {"mode": "classifier"}
HEAD: dict[str, Any] = CLASSIFIER | {"training": {"trainable": "head"}}


def relabelled(world: toy.Encoded, labels: Any) -> toy.Encoded:
    return replace(world, pool_labels=np.asarray(labels, dtype=np.int64))


@pytest.mark.slow
@pytest.mark.parametrize("trainable", ["head", "last_stage"])
def test_the_classifier_learns_the_pools_labels(trainable: str) -> None:
    for seed in range(2):
        world = toy.encoded_world(seed)
        options = CLASSIFIER | {"training": {"trainable": trainable}}
        assert toy.area(toy.fit("oracle", world, seed, **options), world) > 0.9


def test_its_loss_starts_at_chance_and_falls() -> None:
    """The logit starts at 0 for every image."""
    one_step = CLASSIFIER | {"training": {"trainable": "head", "max_steps": 1}}
    first = toy.losses("oracle", toy.clouds(), **one_step)
    assert first == pytest.approx([np.log(2)])
    assert toy.losses("oracle", toy.clouds(), **HEAD)[-1] < 0.1


def test_labels_the_wrong_way_round_give_the_opposite() -> None:
    """All it knows of anomaly comes from the labels of the pool."""
    world = toy.encoded_world()
    wrong = relabelled(world, 1 - world.pool_labels)
    assert toy.area(toy.fit("oracle", wrong, **CLASSIFIER), world) < 0.2


@pytest.mark.slow
def test_the_source_does_not_matter_to_a_classifier() -> None:
    world = toy.encoded_world()
    other = replace(world, source=toy.encoded_world(1).source)
    one, two = (toy.fit("oracle", w, **CLASSIFIER).score(world.test) for w in (world, other))
    assert np.array_equal(one, two)


def test_classes_are_balanced() -> None:
    """Two anomalies in a hundred weigh as much as the rest: logits are centred between them."""
    world = toy.clouds(share=0.02)
    scores = toy.fit("oracle", world, **HEAD).score(world.test)
    assert scores[world.test_labels == 0].mean() < -0.5
    assert scores[world.test_labels == 1].mean() > 0.5


@pytest.mark.parametrize(("label", "counts"), [(0, "80 and 0"), (1, "0 and 80")])
def test_a_pool_of_one_label(label: int, counts: str) -> None:
    world = toy.encoded_world()
    with pytest.raises(NotEnoughImagesError, match=f"normal and anomalous .* got {counts}"):
        toy.fit("oracle", relabelled(world, np.full(80, label)), **CLASSIFIER)


def test_a_pool_of_one_label_can_be_aligned_with() -> None:
    world = toy.encoded_world()
    fit = toy.fitting("oracle", relabelled(world, np.zeros(80)), training={"epochs": 2})
    assert len(fit.diagnostics.partition.others) == 0


@pytest.mark.slow
@pytest.mark.parametrize("options", [CLASSIFIER, {"mode": "align"}], ids=str)
def test_each_fold_of_the_threshold_sees_both_labels(options: dict[str, Any]) -> None:
    """Two anomalies in a pool: random folds would often leave none to train on."""
    world = toy.encoded_world()
    labels = np.zeros(80, dtype=np.int64)
    labels[np.flatnonzero(world.pool_labels)[:2]] = 1
    world = relabelled(world, labels)
    method = METHODS.load("oracle")
    data = toy.fit_data(method, world)
    config = parse_config(method, options | {"training": {"trainable": "head", "epochs": 2}})
    for state in range(6):
        fit = method(toy.encoder(), config).fit(data, random_state=state)
        assert np.isfinite(fit.out_of_sample.scores).all()


def test_folds_share_out_the_labels() -> None:
    labels = (np.arange(40) < 8).astype(np.int64)
    for state in range(5):
        parts = folds(np.arange(40), 4, state, labels)
        assert (np.sum(parts, axis=0) == 1).all()
        assert [int(labels[part].sum()) for part in parts] == [2, 2, 2, 2]
        assert [int(part.sum()) for part in parts] == [10, 10, 10, 10]


def test_a_classifier_is_saved_whole_and_is_no_aligned_network() -> None:
    world = toy.encoded_world()
    model = toy.fit("oracle", world, **HEAD)
    state = model.state()
    assert {"head.weight", "head.bias"} <= state.keys()
    assert "center" not in state
    method = METHODS.load("oracle")
    config = parse_config(method, HEAD)
    restored = method(toy.encoder(), config).restore(state)
    assert np.array_equal(restored.score(world.test), model.score(world.test))
    aligned = method(toy.encoder(), parse_config(method, {"training": {"trainable": "head"}}))
    with pytest.raises(ConfigError, match="do not fit method oracle"):
        aligned.restore(state)


def test_an_unknown_mode() -> None:
    with pytest.raises(ConfigError, match="method oracle, option mode"):
        parse_config(METHODS.load("oracle"), {"mode": "guess"})
