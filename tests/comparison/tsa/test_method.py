"""TSA: which images are which class, what trains and how, its score and options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.comparison import watching
from tests.support import toy

from twofold.comparison.tsa import method as tsa
from twofold.encoders.encoder import load_encoder
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.training import forward_all, make_sgd

# Each fit takes seconds: a comparison system, with the slow tests.
pytestmark = pytest.mark.slow

FEW: dict[str, Any] = {"views": 2, "iterations": 20}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """See :func:`watching.encoded_images`."""
    return watching.encoded_images(monkeypatch, tsa)


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """See :func:`watching.training`."""
    return watching.training(monkeypatch, tsa)


def colours(image: NDArray[np.generic]) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}


def test_pseudo_anomalies_of_views_and_of_the_source(encoded: list[NDArray[np.uint8]]) -> None:
    world = toy.encoded_world()
    toy.fit("tsa", world, **FEW)
    target, source = encoded
    n = 2 * toy.N_SHOTS
    assert target.shape == (2 * n, 32, 32, 3)
    for view, shuffled in zip(target[:n], target[n:], strict=True):
        assert colours(shuffled) <= colours(view)
    assert source.shape == (len(world.source), 32, 32, 3)
    for image, shuffled in zip(world.source["pixels"][:], source, strict=True):
        assert colours(shuffled) <= colours(image)


def test_pseudo_anomalies_are_bounded_in_number(encoded: list[NDArray[np.uint8]]) -> None:
    toy.fit("tsa", toy.encoded_world(), pseudo_limit=7, **FEW)
    assert len(encoded[1]) == 7


def test_labelled_anomalies_are_wanted_and_used(
    encoded: list[NDArray[np.uint8]], seen: dict[str, Any]
) -> None:
    method = METHODS.load("tsa")
    plain, labelled = (
        parse_config(method, {"source_negatives": kind}) for kind in ("pseudo", "labelled")
    )
    assert plain.wanted(method.needs) == method.needs == {"target_shots"}
    assert labelled.wanted(method.needs) == {"target_shots", "source_anomalies"}
    assert "pixels" in plain.outputs()
    assert "pixels" not in labelled.outputs()
    world = toy.encoded_world()
    fit = toy.fitting("tsa", world, source_negatives="labelled", **FEW)
    assert len(encoded) == 1  # Of the source nothing is made.
    data = toy.fit_data(method, world, labelled)
    assert data.source_anomalies is not None
    source = seen["objective"]._source
    assert len(source) == len(world.source) + len(data.source_anomalies)
    last = source.rows(np.array([len(source) - 1]))
    assert np.array_equal(last[0], data.source_anomalies["pooled"][-1])
    assert np.isfinite(fit.out_of_sample.scores).all()
    with pytest.raises(ConfigError, match="needs source_anomalies"):
        fit.model.fit(replace(data, source_anomalies=None))
    with pytest.raises(ConfigError, match="must not see source_anomalies"):
        method(toy.encoder(), plain).fit(data)


@pytest.mark.parametrize("seed", [0, 1])
def test_pseudo_anomalies_rank_the_toy_world(seed: int) -> None:
    """Where the last stage learns: a random encoder's vectors do not show them to a head."""
    world = toy.encoded_world(seed)
    model = toy.fit("tsa", world, seed, trains="last_stage", iterations=200, views=8)
    assert toy.area(model, world) > 0.8


def test_labelled_anomalies_rank_the_toy_world() -> None:
    for seed in range(2):
        world = toy.encoded_world(seed)
        model = toy.fit("tsa", world, seed, source_negatives="labelled", iterations=100, views=4)
        assert toy.area(model, world) > 0.9


def test_the_architecture_is_the_released_one() -> None:
    model = toy.fit("tsa", toy.encoded_world(), **FEW)
    network = model.network_
    kinds = [type(child).__name__ for child in network.body.head]
    assert kinds == ["Linear", "BatchNorm1d", "ReLU"]
    assert network.body.head[0].weight.shape == (256, toy.DIM)
    assert network.head.weight.shape == (2, 256)
    assert network.head.bias.shape == (2,)


def test_the_score_is_the_difference_of_logits() -> None:
    world = toy.encoded_world()
    model = toy.fit("tsa", world, **FEW)
    features = torch.from_numpy(forward_all(model.network_, world.test["pooled"])).float()
    logits = model.network_.head(features).detach().double().numpy()
    expected = logits[:, 1] - logits[:, 0]
    np.testing.assert_allclose(model.score(world.test), expected, rtol=1e-4, atol=1e-5)


def test_the_released_optimiser_and_schedule(seen: dict[str, Any]) -> None:
    toy.fit("tsa", toy.encoded_world(), views=2, iterations=70)
    assert seen["config"].gradient_clip > 1e6
    steps, more = seen["steps"], seen["more"]
    assert [more["rate"](step) for step in steps] == pytest.approx(
        [(1 + 0.001 * i) ** -0.75 for i in range(70)]
    )
    optimiser = make_sgd(seen["module"], seen["config"])
    assert isinstance(optimiser, torch.optim.SGD)
    for name, value in {"momentum": 0.9, "weight_decay": 1e-3, "nesterov": True}.items():
        assert [group[name] for group in optimiser.param_groups] == [value]


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18"])
def test_the_encoders_own_layers_learn_slower_whatever_they_are_called(name: str) -> None:
    """EfficientNet has one that is called head."""
    model: Any = tsa.Tsa(
        load_encoder(name, "random"), parse_config(METHODS.load("tsa"), {"trains": "last_stage"})
    )
    network = model._network()
    rates = {
        id(parameter): group["lr"]
        for group in make_sgd(network, model._training()).param_groups
        for parameter in group["params"]
    }
    found = {name: rates[id(parameter)] for name, parameter in network.named_parameters()}
    new = {name for name in found if name.startswith(("body.head.", "head."))}
    assert len(found) > len(new) == 5
    for name, rate in found.items():
        assert rate == pytest.approx(0.01 if name in new else 0.001)


@pytest.mark.parametrize("trains", ["head", "last_stage", "all"])
def test_what_trains(trains: str, seen: dict[str, Any]) -> None:
    world = toy.encode_world(
        toy.make_world(n_source=12, n_pool=20, n_test=6),
        ("pooled", "split:last_stage", "split:all", "pixels"),
    )
    model = toy.fit("tsa", world, trains=trains, views=2, iterations=2)
    suffix = model.network_.body.suffix.segments
    expected = {"head": [], "last_stage": ["layer2"], "all": ["stem", "layer1", "layer2"]}
    own: Any = toy.encoder().network.backbone.segments
    moved = [
        name
        for name in suffix
        if name != "pool" and not torch.equal(suffix[name][0].weight, own[name][0].weight)
    ]
    assert moved == expected[trains]
    # The encoder's statistics stay, those of the bottleneck are live.
    assert seen["live"] == ([True], [False] * len(moved))
    for name in moved:
        assert torch.equal(suffix[name][1].running_mean, own[name][1].running_mean)
    again = tsa.Tsa(toy.encoder(), model.config).restore(model.state())
    assert np.array_equal(again.score(world.test), model.score(world.test))


@pytest.mark.parametrize("seed", [0, 1])
def test_its_loss_falls(seed: int) -> None:
    losses = toy.losses("tsa", toy.encoded_world(seed), seed, views=2, iterations=60)
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


@pytest.mark.parametrize("negatives", ["pseudo", "labelled"])
def test_one_shot_and_one_view_are_enough(negatives: str) -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    one = replace(world, shots=world.shots.subset(np.array([0])))
    model = toy.fit("tsa", one, views=1, iterations=10, source_negatives=negatives)
    assert np.isfinite(model.score(world.test)).all()


OTHER: dict[str, Any] = {
    "trains": "last_stage",
    "source_negatives": "labelled",
    "pseudo_limit": 20,
    "patch_sides": (100, 200),
    "views": 3,
    "augmentation": "moco",
    "bottleneck_dim": 20,
    "augmentation_strength": 0.0,
    "mi_weight": 0.0,
    "covariance_shrinkage": 0.9,
    "pseudo_labels": True,
    "tsa_batch": 8,
    "iterations": 10,
    "tsa_learning_rate": 0.001,
    "encoder_rate_factor": 1.0,
    "tsa_weight_decay": 0.1,
    "sgd_momentum": 0.0,
    "rate_gamma": 1.0,
    "rate_power": 3.0,
}


@pytest.mark.parametrize("name", METHODS.load("tsa").Config.model_fields)
def test_each_option_has_an_effect(name: str) -> None:
    world = toy.encoded_world()
    # Only layers of the encoder learn at its rate.
    base = FEW | ({"trains": "last_stage"} if name == "encoder_rate_factor" else {})
    usual, scores = (
        toy.fit("tsa", world, **base | more).score(world.test) for more in ({}, {name: OTHER[name]})
    )
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, usual, rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_sides": (20, 10)}, "option patch_sides: give two ascending numbers within 1..224"),
        ({"source_negatives": "none"}, "option source_negatives"),
        ({"covariance_shrinkage": 1.1}, "option covariance_shrinkage"),
        ({"tsa_batch": 1}, "option tsa_batch"),
        ({"iterations": 0}, "option iterations"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(METHODS.load("tsa"), options)
