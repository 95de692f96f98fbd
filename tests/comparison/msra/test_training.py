"""MsRA's training: the released optimiser, steps and loss, and what trains."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.comparison import watching
from tests.comparison.msra.test_network import trainee
from tests.support import toy
from torch import nn

from twofold.comparison.msra import method as msra
from twofold.encoders.pixels import encode_pixels
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.training import forward_all, local_generator

FEW: dict[str, Any] = {"views": 2}


@pytest.fixture
def seen(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """See :func:`watching.training`."""
    return watching.training(monkeypatch, msra)


def test_the_released_optimiser(seen: dict[str, Any]) -> None:
    toy.fit("msra", toy.encoded_world(), **FEW)
    config = seen["config"]
    assert (config.learning_rate, config.head_learning_rate_factor) == (1e-4, 1.0)
    assert (config.momentum, config.weight_decay) == (0.9, 0.5e-6)
    assert config.gradient_clip > 1e6
    assert len(seen["steps"]) == 35
    assert seen["more"]["steps_per_epoch"] == 1


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
    assert seen["more"]["steps_per_epoch"] == per_epoch


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
    # Nothing but the domain head reaches h.
    nn.init.zeros_(parts.class_head[-1].get_parameter("weight"))
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


def test_of_five_shots_each_is_in_every_step_as_often(
    seen: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The release's batch is the ten shots, each once, in a view of its own."""
    images = watching.encoded_images(monkeypatch, msra)
    options: dict[str, Any] = {"views": 3, "steps": 20}
    for size, times in ((toy.N_SHOTS, 1), (2 * toy.N_SHOTS, 2)):
        model = toy.fit("msra", toy.encoded_world(), domain_batch=size, **options)
        made = encode_pixels(toy.encoder(), images[-1][toy.N_SHOTS :], "split:last_stage")
        known = forward_all(model.network_.trunk, made).astype(np.float32)
        drawn = [
            [int(np.abs(known - row).sum(axis=(1, 2)).argmin()) for row in batch[size:].numpy()]
            for batch in seen["batches"][-20:]
        ]
        for rows in drawn:
            assert sorted(row // 3 for row in rows) == sorted([*range(toy.N_SHOTS)] * times)
        assert {row for rows in drawn for row in rows} == set(range(3 * toy.N_SHOTS))


@pytest.mark.parametrize("seed", [0, 1])
def test_its_loss_falls(seed: int) -> None:
    world = toy.encoded_world(seed)
    losses = toy.fitting("msra", world, seed, msra_learning_rate=1e-2, **FEW).diagnostics.losses[
        "training"
    ]
    assert np.mean(losses[-5:]) < np.mean(losses[:5]) - 0.1


def test_features_draw_together() -> None:
    """L_svdd and L_center are the distances that the score is made of."""
    world = toy.encoded_world()
    options: dict[str, Any] = {"always_eval": True, "msra_learning_rate": 0.03} | FEW
    start, end = (
        toy.fit("msra", world, steps=steps, compact_weight=1.0, **options).score(world.source)
        for steps in (1, 60)
    )
    assert end.mean() < 0.7 * start.mean()
