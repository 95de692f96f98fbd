"""The trained network: its head, and the sphere it may end on."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.support import toy
from torch import nn

from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.paper.network import AdaptedNetwork
from twofold.training import TrainingConfig, forward_all, local_generator

SPLIT = "split:last_stage"


@pytest.mark.parametrize("trainable", ["head", "last_stage"])
@pytest.mark.parametrize("head", ["none", "linear", "projection"])
def test_features_on_the_sphere_have_length_one(head: str, trainable: str) -> None:
    world = toy.encoded_world()
    training = {"head": head, "trainable": trainable, "epochs": 3}
    model = toy.printed_fit("paper", world, geometry="sphere", training=training)
    rows = world.test["pooled" if trainable == "head" else SPLIT]
    lengths = np.linalg.norm(forward_all(model.network_, rows), axis=1)
    np.testing.assert_allclose(lengths, 1, atol=1e-6)
    assert np.linalg.norm(model.center_) < 1
    scores = model.score(world.test)
    assert (scores >= 0).all()
    assert (scores <= 4).all()


def test_euclidean_features_keep_their_lengths() -> None:
    world = toy.encoded_world()
    model = toy.printed_fit("paper", world)
    lengths = np.linalg.norm(forward_all(model.network_, world.test[SPLIT]), axis=1)
    assert np.ptp(lengths) > 0.01


def test_lengths_do_not_matter_on_the_sphere() -> None:
    """Behind a linear head, brighter vectors are the same vectors."""
    rows = np.random.default_rng(0).normal(size=(9, toy.DIM)).astype(np.float32)
    scores = {}
    for geometry in ("sphere", "euclidean"):
        training = {"trainable": "head", "epochs": 3}
        model = toy.printed_fit("source_only", toy.clouds(), geometry=geometry, training=training)
        one, two = (model.score(toy.from_arrays(pooled=scale * rows)) for scale in (1, 5))
        scores[geometry] = np.allclose(one, two, rtol=1e-4)
    assert scores == {"sphere": True, "euclidean": False}


@pytest.mark.parametrize("trainable", ["head", "last_stage"])
def test_a_projection(trainable: str) -> None:
    world = toy.encoded_world()
    training = {"head": "projection", "head_dim": 11, "trainable": trainable, "epochs": 3}
    model = toy.printed_fit("paper", world, training=training)
    assert model.network_.dim == 11
    assert model.center_.shape == (11,)
    rows = world.test["pooled" if trainable == "head" else SPLIT]
    features = forward_all(model.network_, rows)
    assert features.shape == (len(rows), 11)
    assert features.min() == 0  # ReLU.
    letter = {"recipe": "as_printed"}
    config = parse_config(METHODS.load("paper"), letter | {"training": training})
    restored = METHODS.load("paper")(toy.encoder(), config).restore(model.state())
    assert np.array_equal(restored.score(world.test), model.score(world.test))
    wider: Any = parse_config(
        METHODS.load("paper"), letter | {"training": training | {"head_dim": 12}}
    )
    with pytest.raises(ConfigError, match="do not fit method paper"):
        METHODS.load("paper")(toy.encoder(), wider).restore(model.state())


def test_a_projection_is_drawn_from_the_fits_generator() -> None:
    config = TrainingConfig(head="projection", trainable="head", head_dim=7)
    before = torch.get_rng_state()
    one, two, other = (
        AdaptedNetwork(toy.encoder(), config, generator=local_generator(seed)).state_dict()
        for seed in (3, 3, 4)
    )
    assert torch.equal(before, torch.get_rng_state())
    assert torch.equal(one["head.0.weight"], two["head.0.weight"])
    assert not torch.equal(one["head.0.weight"], other["head.0.weight"])
    # The spread of nn.Linear's own initialisation.
    bound = 1 / np.sqrt(toy.DIM)
    assert 0.8 * bound < one["head.0.weight"].abs().max() <= bound


def test_no_head_has_a_bias_before_its_normalisation() -> None:
    """A bias lets the network reach the constant solution."""
    for head in ("linear", "projection"):
        config = TrainingConfig.model_validate({"head": head})
        network = AdaptedNetwork(toy.encoder(), config, generator=local_generator(0))
        linear = [m for m in network.head.modules() if isinstance(m, nn.Linear)]
        assert [layer.bias for layer in linear] == [None]
