"""The paper's selection with a discriminator behind a gradient reversal."""

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
from twofold.paper import adaptation
from twofold.paper.alignment import make_alignment
from twofold.paper.network import AdaptedNetwork
from twofold.training import forward_all


@pytest.fixture
def made(monkeypatch: pytest.MonkeyPatch) -> list[nn.Module]:
    """The alignment terms of the fits that follow."""
    found: list[nn.Module] = []
    make = make_alignment

    def recorded(*arguments: Any) -> nn.Module:
        found.append(make(*arguments))
        return found[-1]

    monkeypatch.setattr(adaptation, "make_alignment", recorded)
    return found


def norms(module: nn.Module) -> list[Any]:
    kinds = (nn.BatchNorm1d, nn.BatchNorm2d)
    return [child for child in module.modules() if isinstance(child, kinds)]


def test_the_discriminator_stays_behind(made: list[nn.Module]) -> None:
    """It trains beside the network and is neither kept nor saved."""
    model = toy.printed_fit("paper_grl", toy.encoded_world(), training={"epochs": 2})
    assert not any("discriminator" in name or "alignment" in name for name in model.state())
    (alignment,) = made
    (discriminator,) = alignment.children()
    weights = [p for p in discriminator.parameters() if p.ndim == 2]
    assert len(weights) == 3
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in weights)
    plain = toy.printed_fit("paper", toy.encoded_world(), training={"epochs": 1})
    assert model.state().keys() == plain.state().keys()


def test_its_statistics_are_live_while_those_of_the_network_are_frozen(
    made: list[nn.Module],
) -> None:
    fit = toy.printed_fitting("paper_grl", toy.encoded_world(), training={"epochs": 3})
    (alignment,) = made
    live = norms(alignment)
    assert len(live) == 2
    for layer in live:
        assert int(layer.num_batches_tracked) == fit.diagnostics.steps
        assert layer.running_mean.abs().sum() > 0
    before = AdaptedNetwork(toy.encoder(), fit.model.config.training)
    frozen = norms(fit.model.network_)
    assert frozen
    for layer, other in zip(frozen, norms(before), strict=True):
        assert torch.equal(layer.running_mean, other.running_mean)
        assert torch.equal(layer.running_var, other.running_var)


def test_the_discriminator_starts_at_chance_and_learns() -> None:
    """Without a reversal to speak of at first, its loss falls from ln 2 at once."""
    fit = toy.printed_fitting(
        "paper_grl", toy.clouds(), lambda_ad=0, training={"trainable": "head"}
    )
    losses = fit.diagnostics.losses["training"]
    assert losses[0] == pytest.approx(np.log(2), abs=0.25)
    assert min(losses) < 0.8 * losses[0]


@pytest.mark.slow
def test_the_features_unlearn_the_domain() -> None:
    """The more the term weighs, the nearer the source comes to the dominant cluster."""
    world = toy.encoded_world()

    def gap(weight: float) -> float:
        fit = toy.printed_fitting("paper_grl", world, lambda_uda=weight)
        near, pool = (
            forward_all(fit.model.network_, part["split:last_stage"])
            for part in (world.source, world.pool)
        )
        far = pool[fit.diagnostics.partition.dominant]
        shift = np.linalg.norm(near.mean(axis=0) - far.mean(axis=0))
        return float(shift / np.linalg.norm(near.std(axis=0)))

    assert gap(5.0) < gap(1.0) < gap(0.0)


@pytest.mark.slow
def test_it_changes_the_result_and_follows_the_random_state() -> None:
    world = toy.clouds()
    options: dict[str, Any] = {"training": {"trainable": "head"}}
    scores = [
        toy.printed_fit("paper_grl", world, seed, **options).score(world.test) for seed in (1, 1, 2)
    ]
    assert np.array_equal(scores[0], scores[1])
    assert not np.array_equal(scores[0], scores[2])
    paper = toy.printed_fit("paper", world, 1, **options).score(world.test)
    assert not np.array_equal(scores[0], paper)


@pytest.mark.parametrize(
    "options", [{"batch_dominant": 1}, {"training": {"batch_source": 1}}], ids=str
)
def test_one_image_has_no_statistics(options: dict[str, Any]) -> None:
    method = METHODS.load("paper_grl")
    with pytest.raises(ConfigError, match=r"batch_source and batch_dominant must be") as caught:
        parse_config(method, options)
    assert len(str(caught.value).splitlines()) == 1
    parse_config(METHODS.load("paper_mmd"), options)
