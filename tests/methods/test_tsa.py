"""TSA: which images are which class, what is remembered, what trains and how."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch import Tensor, nn

from twofold.encoders import pixels as pixels_module
from twofold.encoders.encoder import Encoder
from twofold.errors import ConfigError
from twofold.losses import augmented_cross_entropy, mutual_information
from twofold.methods import METHODS, parse_config, tsa
from twofold.methods._tsa_training import Labelled, TsaNetwork, TsaObjective
from twofold.training import Step, TrainingConfig, forward_all, local_generator, optimise

FEW: dict[str, Any] = {"views": 2, "iterations": 20}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """The images that fits encode from memory."""
    found: list[NDArray[np.uint8]] = []

    def recorded(encoder: Encoder, images: NDArray[np.uint8], output: str) -> Any:
        found.append(images)
        return pixels_module.encode_pixels(encoder, images, output)

    monkeypatch.setattr(tsa, "encode_pixels", recorded)
    return found


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The training's configuration and objective, its rates, and which statistics are live."""
    found: dict[str, Any] = {"rates": []}

    def watched(module: Any, objective: Any, config: TrainingConfig, **more: Any) -> Any:
        def loss(wrapped: nn.Module, step: Step) -> Tensor:
            found["rates"].append(more["rate"](step))
            found["live"] = tuple(
                [m.training for m in module.modules() if isinstance(m, kind)]
                for kind in (nn.BatchNorm1d, nn.BatchNorm2d)
            )
            result: Tensor = objective(wrapped, step)
            return result

        found.update(config=config, objective=objective)
        return optimise(module, loss, config, **more)

    monkeypatch.setattr(tsa, "optimise", watched)
    return found


def colours(image: NDArray[np.generic]) -> set[tuple[int, ...]]:
    return {tuple(pixel) for pixel in image.reshape(-1, 3).tolist()}


# --- data ----------------------------------------------------------------------------------------


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
    assert method.wanted(plain) == method.needs == {"target_shots"}
    assert method.wanted(labelled) == {"target_shots", "source_anomalies"}
    assert "pixels" in method.outputs(plain)
    assert "pixels" not in method.outputs(labelled)
    world = toy.encoded_world()
    model = toy.fit("tsa", world, source_negatives="labelled", **FEW)
    assert len(encoded) == 1  # Of the source nothing is made.
    data = toy.fit_data(method, world, labelled)
    assert data.source_anomalies is not None
    source = seen["objective"]._source
    assert len(source) == len(world.source) + len(data.source_anomalies)
    last = source.rows(np.array([len(source) - 1]))
    assert np.array_equal(last[0], data.source_anomalies["pooled"][-1])
    assert np.isfinite(model.reference(data).scores).all()
    with pytest.raises(ConfigError, match="needs source_anomalies"):
        model.fit(replace(data, source_anomalies=None))
    with pytest.raises(ConfigError, match="must not see source_anomalies"):
        method(toy.encoder(), plain).fit(data)


def test_labelled_anomalies_rank_the_toy_world() -> None:
    for seed in range(2):
        world = toy.encoded_world(seed)
        model = toy.fit("tsa", world, seed, source_negatives="labelled", iterations=100, views=4)
        assert toy.area(model, world) > 0.9


def test_batches_are_half_normal() -> None:
    part = Labelled(np.zeros((9, 1), np.float32), np.ones((2, 1), np.float32), dim=3)
    for size, normals in ((8, 4), (7, 4), (2, 1)):
        index = part.draw(size, local_generator(0))
        assert part.rows(index)[:, 0].tolist() == [0.0] * normals + [1.0] * (size - normals)
        assert part.labels[torch.from_numpy(index)].tolist() == [0] * normals + [1] * (
            size - normals
        )


# --- memories ------------------------------------------------------------------------------------


def objective(**changes: Any) -> tuple[TsaNetwork, TsaObjective, Labelled, Labelled]:
    config = TrainingConfig(
        trainable="head", head="projection", head_dim=6, batch_norm="joint", max_steps=3
    )
    network = TsaNetwork(toy.encoder(), config, local_generator(0))
    draws = np.random.default_rng(0)

    def rows(n: int, at: float) -> NDArray[np.float32]:
        return draws.normal(at, 1, (n, toy.DIM)).astype(np.float32)

    source, target = (Labelled(rows(n, at), rows(n, -at), dim=6) for n, at in ((20, 1), (5, 2)))
    given: dict[str, Any] = {
        "batch": 8,
        "strength": 0.5,
        "mi_weight": 0.1,
        "shrinkage": 0.1,
        "pseudo_labels": False,
    }
    made = TsaObjective(source, target, **(given | changes), generator=local_generator(1))
    return network, made, source, target


def test_every_image_is_remembered_before_the_first_step() -> None:
    network, made, source, target = objective()
    made.fill(network)
    everything = torch.from_numpy(
        np.concatenate([part.rows(np.arange(len(part))) for part in (source, target)])
    )
    # 50 rows make one batch: its statistics are those of all.
    order = torch.randperm(50, generator=local_generator(3))
    with torch.no_grad():
        expected = network(everything[order])[order.argsort()]
    torch.testing.assert_close(torch.cat([source.memory, target.memory]), expected)


def test_a_step_refreshes_the_images_it_drew_and_no_others() -> None:
    network, made, source, target = objective()
    made.fill(network)
    for part in (source, target):
        part.memory += 100.0
    made(network, Step(1, 2, starts_epoch=False))
    for part, drawn in ((source, 8), (target, 8)):
        fresh = (part.memory < 50).all(dim=1)
        assert int(fresh.sum()) == drawn
        assert not part.memory.requires_grad


def test_the_loss_of_a_step_is_the_augmented_cross_entropy_less_mutual_information() -> None:
    network, made, source, target = objective(strength=0.8, batch=6)
    made.fill(network)
    found = made(network, Step(3, 4, starts_epoch=False))
    # What it drew: fill drew once for its order.
    generator = local_generator(1)
    torch.randperm(50, generator=generator)
    own, other = source.draw(6, generator), target.draw(6, generator)
    near, far = source.memory[torch.from_numpy(own)], target.memory[torch.from_numpy(other)]
    shifts, covariances = [], []
    for c in (0, 1):
        ours, theirs = source.memory[source.labels == c], target.memory[target.labels == c]
        shifts.append(theirs.mean(0) - ours.mean(0))
        spread = torch.cov(theirs.T, correction=0)
        covariances.append(0.9 * spread + 0.1 * spread.trace() / 6 * torch.eye(6))
    expected = augmented_cross_entropy(
        near,
        source.labels[torch.from_numpy(own)],
        network.head.weight,
        network.head.bias,
        shifts=torch.stack(shifts),
        covariances=torch.stack(covariances),
        strength=0.8 * 0.75,
    ) - 0.1 * mutual_information(network.head(far))
    torch.testing.assert_close(found, expected)


def test_pseudo_labels_are_what_the_classifier_says() -> None:
    network, made, _, target = objective(pseudo_labels=True)
    nn.init.zeros_(network.head.weight)
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([0.0, 1.0]))
    made.fill(network)
    assert target.labels.tolist() == [1] * 10
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([1.0, 0.0]))
    loss = made(network, Step(1, 2, starts_epoch=False))
    assert int((target.labels == 0).sum()) == 8
    assert torch.isfinite(loss)
    _, known, _, target = objective()
    known.fill(network)
    known(network, Step(1, 2, starts_epoch=False))
    assert target.labels.tolist() == [0] * 5 + [1] * 5


# --- network and training ------------------------------------------------------------------------


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
    config = seen["config"]
    assert config.learning_rate == pytest.approx(1e-3)
    assert config.learning_rate * config.head_learning_rate_factor == pytest.approx(1e-2)
    assert (config.momentum, config.weight_decay) == (0.9, 1e-3)
    assert config.gradient_clip > 1e6
    assert seen["rates"] == pytest.approx([(1 + 0.001 * i) ** -0.75 for i in range(70)])


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
    losses = toy.fit("tsa", toy.encoded_world(seed), seed, views=2, iterations=60).log_.losses
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


@pytest.mark.parametrize("negatives", ["pseudo", "labelled"])
def test_one_shot_and_one_view_are_enough(negatives: str) -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    one = replace(world, shots=world.shots.subset(np.array([0])))
    model = toy.fit("tsa", one, views=1, iterations=10, source_negatives=negatives)
    assert np.isfinite(model.score(world.test)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"augmentation_strength": 0.0},
        {"mi_weight": 0.0},
        {"covariance_shrinkage": 0.9},
        {"pseudo_labels": True},
        {"source_negatives": "labelled"},
        {"tsa_batch": 8},
        {"augmentation": "moco"},
        {"patch_sides": (100, 200)},
        {"bottleneck_dim": 20},
        {"tsa_weight_decay": 0.1},
        {"sgd_momentum": 0.0},
        {"rate_power": 3.0},
        {"rate_gamma": 1.0},
    ],
    ids=str,
)
def test_each_option_has_an_effect(options: dict[str, Any]) -> None:
    world = toy.encoded_world()
    plain, other = (
        toy.fit("tsa", world, **(FEW | more)).score(world.test) for more in ({}, options)
    )
    assert not np.array_equal(plain, other)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"patch_sides": (20, 10)}, "option patch_sides: give two ascending sides within 1..224"),
        ({"source_negatives": "none"}, "option source_negatives"),
        ({"covariance_shrinkage": 1.1}, "option covariance_shrinkage"),
        ({"tsa_batch": 1}, "option tsa_batch"),
        ({"iterations": 0}, "option iterations"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        parse_config(METHODS.load("tsa"), options)
