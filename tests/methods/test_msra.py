"""MsRA: what trains, on which images, and the release's oddities as options."""

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
from twofold.encoders.backbone import as_map
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.errors import ConfigError
from twofold.methods import METHODS, msra, parse_config
from twofold.methods._dct import spectral_coefficients
from twofold.methods._msra_network import MsraNetwork, MsraTrainee
from twofold.training import TrainingConfig, forward_all, local_generator, optimise

FEW: dict[str, Any] = {"views": 2}


@pytest.fixture
def encoded(monkeypatch: pytest.MonkeyPatch) -> list[NDArray[np.uint8]]:
    """The images that fits encode from memory."""
    found: list[NDArray[np.uint8]] = []

    def recorded(encoder: Encoder, images: NDArray[np.uint8], output: str) -> Any:
        found.append(images)
        return pixels_module.encode_pixels(encoder, images, output)

    monkeypatch.setattr(msra, "encode_pixels", recorded)
    return found


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """The training's configuration, its steps, and which statistics are live."""
    found: dict[str, Any] = {"steps": []}

    def watched(module: Any, step_loss: Any, config: TrainingConfig, **more: Any) -> Any:
        def loss(wrapped: nn.Module, step: Any) -> Tensor:
            found["steps"].append(step)
            found["live"] = (
                [m.training for m in module.modules() if isinstance(m, nn.BatchNorm1d)],
                [m.training for m in module.modules() if isinstance(m, nn.BatchNorm2d)],
            )
            result: Tensor = step_loss(wrapped, step)
            return result

        found.update(config=config, per_epoch=more["steps_per_epoch"])
        return optimise(module, loss, config, **more)

    monkeypatch.setattr(msra, "optimise", watched)
    return found


# --- the network ---------------------------------------------------------------------------------


def trainee(**changes: Any) -> MsraTrainee:
    generator = local_generator(0)
    network = MsraNetwork(toy.encoder(), "head", 256, generator)
    given: dict[str, Any] = {
        "hidden": 100,
        "dropout": 0.5,
        "from_coefficients": True,
        "always_eval": False,
    }
    return MsraTrainee(network, **(given | changes), generator=generator)


def test_the_architecture_is_the_released_one() -> None:
    parts = trainee()
    shapes = {name: tuple(p.shape) for name, p in parts.named_parameters() if p.ndim == 2}
    assert shapes == {
        "network.bottleneck.0.weight": (256, toy.DIM),
        "class_head.0.weight": (100, 256),
        "class_head.4.weight": (100, 100),
        "class_head.7.weight": (1, 100),
        "domain_head.0.weight": (100, 256),
        "domain_head.3.weight": (2, 100),
    }

    def kinds(part: nn.Module) -> list[str]:
        return [type(child).__name__ for child in part.children()]

    block = ["Linear", "BatchNorm1d", "ReLU"]
    assert kinds(parts.network.bottleneck) == block
    assert kinds(parts.class_head) == [*block, "Dropout", *block, "Linear"]
    assert kinds(parts.domain_head) == [*block, "Linear", "LogSoftmax"]
    assert parts.network.pooling.logits.shape == (15,)


def test_features_are_the_bottleneck_of_weighted_coefficients_of_the_deepest_map() -> None:
    network = MsraNetwork(toy.encoder(), "head", 7, local_generator(0)).eval()
    rows = torch.from_numpy(toy.encoded_world().test["split:last_stage"][:3])
    maps = toy.encoder().network.backbone.segments["layer2"](rows)
    coefficients = spectral_coefficients(as_map(maps))
    weights = torch.sigmoid(network.pooling.logits)
    pooled = coefficients[:, 0] + (coefficients[:, 1:] * weights[:, None]).sum(dim=1)
    torch.testing.assert_close(network(rows), network.bottleneck(pooled))
    torch.testing.assert_close(network.trunk(rows), coefficients)


@pytest.mark.parametrize("name", ["efficientnet_lite0", "resnet18", "dinov2_vits14"])
def test_encoders_of_every_family(name: str) -> None:
    """Maps of any stride, from tokens too."""
    encoder = load_encoder(name, "random")
    network = MsraNetwork(encoder, "head", 9, local_generator(0)).eval()
    size = encoder.spec.preprocessing.size
    split = encoder.network.backbone.split_index("last_stage")
    rows = torch.zeros(1, 3, size, size)
    with torch.no_grad():
        for segment in list(encoder.network.backbone.segments.values())[:split]:
            rows = segment(rows)
        assert network(rows).shape == (1, 9)


# --- the images ----------------------------------------------------------------------------------


def test_views_of_the_shots_are_made_once(encoded: list[NDArray[np.uint8]]) -> None:
    toy.fit("msra", toy.encoded_world(), views=3)
    (images,) = encoded
    assert images.shape == (toy.N_SHOTS * 4, 32, 32, 3)
    shots = toy.encoded_world().shots
    assert shots is not None
    assert np.array_equal(images[: toy.N_SHOTS], shots["pixels"][:])
    assert len({image.tobytes() for image in images}) == toy.N_SHOTS * 4


def test_views_of_the_source_are_an_option(encoded: list[NDArray[np.uint8]]) -> None:
    method = METHODS.load("msra")
    config = parse_config(method, {"source_views": 2})
    assert "pixels" in method.outputs(config)
    assert "pixels" not in method.outputs(method.Config())
    world = toy.encoded_world()
    toy.fit("msra", world, source_views=2, **FEW)
    assert encoded[1].shape == (2 * len(world.source), 32, 32, 3)


def test_the_centre_is_the_mean_over_source_and_shots() -> None:
    world = toy.encoded_world()
    model = toy.fit("msra", world, **FEW)
    shots = world.shots
    assert shots is not None
    features = np.concatenate(
        [forward_all(model.network_, part["split:last_stage"]) for part in (world.source, shots)]
    )
    np.testing.assert_allclose(model.center_, features.mean(axis=0), rtol=1e-4)
    augmented = toy.fit("msra", world, center_augmented=True, **FEW)
    assert not np.allclose(model.center_, augmented.center_, rtol=1e-3)


def test_the_score_is_the_distance_to_the_centre() -> None:
    world = toy.encoded_world()
    model = toy.fit("msra", world, **FEW)
    features = forward_all(model.network_, world.test["split:last_stage"])
    expected = np.sqrt(((features - model.center_) ** 2).sum(axis=1))
    np.testing.assert_allclose(model.score(world.test), expected, rtol=1e-12)


# --- the training --------------------------------------------------------------------------------


def test_the_released_optimiser(seen: dict[str, Any]) -> None:
    toy.fit("msra", toy.encoded_world(), **FEW)
    config = seen["config"]
    assert (config.learning_rate, config.head_learning_rate_factor) == (1e-4, 1.0)
    assert (config.momentum, config.weight_decay) == (0.9, 0.5e-6)
    assert config.gradient_clip > 1e6
    assert len(seen["steps"]) == 35
    assert seen["per_epoch"] == 1


@pytest.mark.parametrize(
    ("options", "steps", "per_epoch"),
    [
        ({"domain_batch": 2}, 35 * 3, 3),
        ({"shot_epochs": 4}, 4, 1),
        ({"steps": 7}, 7, 1),
        ({"steps": 7, "domain_batch": 2}, 7, 3),
    ],
)
def test_steps(seen: dict[str, Any], options: Any, steps: int, per_epoch: int) -> None:
    """An epoch is a pass over the smaller domain, the five shots."""
    toy.fit("msra", toy.encoded_world(), **options, **FEW)
    assert len(seen["steps"]) == steps
    assert seen["per_epoch"] == per_epoch


def test_normalisation_is_live_but_for_the_encoders(seen: dict[str, Any]) -> None:
    toy.fit("msra", toy.encoded_world(), trains="last_stage", steps=2, **FEW)
    assert seen["live"] == ([True] * 4, [False])
    toy.fit("msra", toy.encoded_world(), always_eval=True, steps=2, **FEW)
    assert seen["live"] == ([False] * 4, [False])


def test_always_eval_leaves_statistics_as_they_start() -> None:
    options: dict[str, Any] = {"steps": 3} | FEW
    live, still = (
        toy.fit("msra", toy.encoded_world(), always_eval=flag, **options).network_.bottleneck[1]
        for flag in (False, True)
    )
    assert torch.equal(still.running_mean, torch.zeros(256))
    assert not torch.equal(live.running_mean, torch.zeros(256))


def test_the_loss_is_the_sum_of_the_released_terms() -> None:
    """At the first step, where the reversal is 0, in evaluation mode."""
    config: Any = parse_config(METHODS.load("msra"), {"compact_weight": 0.3})
    model: Any = msra.Msra(toy.encoder(), config)
    parts = trainee().eval()
    near, far = (
        parts(torch.randn(4, 16, toy.DIM, generator=local_generator(s))).detach() for s in (1, 2)
    )
    found = model._loss(parts, near, far, 0.0).item()
    expected = 0.0
    for label, rows in ((0, near), (1, far)):
        expected -= parts.domain_head(rows)[:, label].mean().item()
        p = torch.sigmoid(parts.class_head(rows)[:, 0])
        expected += torch.log1p(torch.exp(p)).mean().item()
        expected += 0.3 * (rows - rows.mean(0)).norm(dim=1).mean().item()
    expected += 0.3 * (near.mean(0) - far.mean(0)).norm().item()
    assert found == pytest.approx(expected, rel=1e-5)


def test_the_domain_heads_gradient_is_reversed_for_the_features() -> None:
    config: Any = parse_config(METHODS.load("msra"), {"compact_weight": 0.0})
    model: Any = msra.Msra(toy.encoder(), config)
    parts = trainee().eval()
    nn.init.zeros_(
        parts.class_head[-1].get_parameter("weight")
    )  # nothing but the domain head reaches h
    rows = torch.rand(8, 256, generator=local_generator(1), requires_grad=True)
    gradients = []
    for progress in (0.0, 0.99):
        (gradient,) = torch.autograd.grad(model._loss(parts, rows[:4], rows[4:], progress), rows)
        gradients.append(gradient)
    plain = parts.domain_head(rows)
    straight = -plain[:4, 0].mean() - plain[4:, 1].mean()
    (direct,) = torch.autograd.grad(straight, rows)
    assert torch.equal(gradients[0], torch.zeros(8, 256))
    torch.testing.assert_close(gradients[1], -0.9999 * direct, rtol=1e-3, atol=1e-7)


@pytest.mark.parametrize("trains", ["head", "last_stage", "all"])
def test_what_trains(trains: str) -> None:
    world = toy.encode_world(
        toy.make_world(n_source=12, n_pool=20, n_test=6),
        ("pooled", "split:last_stage", "split:all"),
    )
    model = toy.fit("msra", world, trains=trains, steps=2, **FEW)
    trunk = model.network_.trunk.suffix.segments
    assert list(trunk) == (["stem", "layer1", "layer2"] if trains == "all" else ["layer2"])
    own: Any = toy.encoder().network.backbone.segments
    moved = {name for name in trunk if not torch.equal(trunk[name][0].weight, own[name][0].weight)}
    assert moved == (set() if trains == "head" else set(trunk))
    assert any(name.startswith("network.trunk.") for name in model.state()) == (trains != "head")
    assert np.isfinite(model.score(world.test)).all()
    again = msra.Msra(toy.encoder(), model.config).restore(model.state())
    assert np.array_equal(again.score(world.test), model.score(world.test))


@pytest.mark.parametrize("seed", [0, 1])
def test_its_loss_falls(seed: int) -> None:
    losses = toy.fit("msra", toy.encoded_world(seed), seed, msra_learning_rate=1e-2).log_.losses
    assert np.mean(losses[-5:]) < np.mean(losses[:5])


def test_one_shot_is_enough() -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    one = replace(world, shots=world.shots.subset(np.array([0])))
    assert np.isfinite(toy.fit("msra", one, views=1).score(world.test)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"compact_weight": 1.0},
        {"sigmoid_twice": False},
        {"always_eval": True},
        {"center_augmented": True},
        {"source_views": 1},
        {"augmentation": "moco"},
        {"dropout": 0.0},
        {"bottleneck_dim": 20},
        {"head_hidden": 20},
        {"msra_weight_decay": 0.1},
        {"sgd_momentum": 0.0},
    ],
    ids=str,
)
def test_each_option_has_an_effect(options: dict[str, Any]) -> None:
    world = toy.encoded_world()
    plain, other = (
        toy.fit("msra", world, **(FEW | {"msra_learning_rate": 0.01} | more)).score(world.test)
        for more in ({}, options)
    )
    assert not np.array_equal(plain, other)


@pytest.mark.parametrize(
    "options",
    [
        {"trains": "tail"},
        {"views": 0},
        {"domain_batch": 0},
        {"dropout": 1.0},
        {"select": "best_test"},
    ],
)
def test_impossible_options(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=f"option {next(iter(options))}"):
        parse_config(METHODS.load("msra"), options)
