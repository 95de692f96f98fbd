"""Layers initialised, and thinned, from a generator of one's own."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from twofold.layers import Dropout, conv, conv_transpose, linear
from twofold.training import local_generator

Make = Callable[[torch.Generator | None], nn.Module]

MAKERS: dict[str, Make] = {
    "linear": lambda generator: linear(40, 30, generator),
    "conv": lambda generator: conv(20, 30, 3, generator),
    "conv_transpose": lambda generator: conv_transpose(20, 30, 3, generator),
}


@pytest.mark.parametrize("name", MAKERS)
def test_the_generator_decides_and_the_global_one_stays(name: str) -> None:
    before = torch.get_rng_state()
    one, two, other = (MAKERS[name](local_generator(seed)) for seed in (1, 1, 2))
    empty = MAKERS[name](None)
    assert torch.equal(before, torch.get_rng_state())
    for key, value in one.state_dict().items():
        assert torch.equal(value, two.state_dict()[key])
        assert (empty.state_dict()[key] == 0).all()
    assert not torch.equal(one.state_dict()["weight"], other.state_dict()["weight"])
    assert all(parameter.requires_grad for parameter in one.parameters())


def test_linear_starts_as_torch_starts_it() -> None:
    """Bit for bit, if the generators are in the same state."""
    layer = linear(400, 300, local_generator(0))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        usual = nn.Linear(400, 300)
    assert torch.equal(layer.weight, usual.weight)
    assert torch.equal(layer.bias, usual.bias)
    assert "bias" not in linear(4, 3, local_generator(0), bias=False).state_dict()


@pytest.mark.parametrize("make", [conv, conv_transpose])
def test_convolutions_start_normal(make: Callable[..., nn.Module]) -> None:
    layer = make(40, 50, 3, local_generator(0), stride=2, padding=1)
    assert float(layer.state_dict()["weight"].std()) == pytest.approx(0.02, rel=0.05)
    assert (layer.state_dict()["bias"] == 0).all()
    assert "bias" not in make(4, 5, 3, local_generator(0), bias=False).state_dict()


def test_dropout_thins_in_training_only() -> None:
    values = torch.ones(100, 100)
    layer = Dropout(0.3, local_generator(0))
    thinned = layer(values)
    assert thinned.unique().tolist() == pytest.approx([0, 1 / 0.7])
    assert float((thinned == 0).float().mean()) == pytest.approx(0.3, abs=0.02)
    assert not torch.equal(thinned, layer(values))
    assert torch.equal(Dropout(0.3, local_generator(0))(values), thinned)
    assert torch.equal(layer.eval()(values), values)
