"""BiOST's encoders and decoders."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from twofold.comparison.biost.networks import Domain, decoder, encoder
from twofold.training import local_generator


def layers(network: nn.Module) -> list[nn.Module]:
    return [layer for layer in network.modules() if not list(layer.children())]


def names(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in layers(network)]


NORM = ["InstanceNorm2d", "ReLU"]
RESIDUAL = ["ReflectionPad2d", "Conv2d", *NORM, "ReflectionPad2d", "Conv2d", "InstanceNorm2d"]


@pytest.mark.parametrize("blocks", [1, 4])
def test_an_encoder(blocks: int) -> None:
    network = encoder(8, blocks, local_generator(0))
    wanted = ["ReflectionPad2d", *(["Conv2d", *NORM] * 3), *(RESIDUAL * blocks)]
    assert names(network) == wanted
    shapes = [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0])
        for layer in layers(network)
        if isinstance(layer, nn.Conv2d)
    ]
    assert shapes == [(3, 8, 7, 1), (8, 16, 3, 2), (16, 32, 3, 2), *([(32, 32, 3, 1)] * 2 * blocks)]
    assert [pad.padding[0] for pad in layers(network) if isinstance(pad, nn.ReflectionPad2d)] == [
        3,
        *([1] * 2 * blocks),
    ]
    assert network(torch.zeros(2, 3, 32, 32)).shape == (2, 32, 8, 8)


def test_a_decoder() -> None:
    network = decoder(8, 4, local_generator(0))
    up = ["ConvTranspose2d", *NORM]
    assert names(network) == [*(RESIDUAL * 4), *up, *up, "ReflectionPad2d", "Conv2d", "Tanh"]
    shapes = [
        (layer.in_channels, layer.out_channels, layer.kernel_size[0], layer.stride[0])
        for layer in layers(network)
        if isinstance(layer, nn.ConvTranspose2d)
    ]
    assert shapes == [(32, 16, 3, 2), (16, 8, 3, 2)]
    image = network(torch.randn(2, 32, 8, 8, generator=local_generator(0)))
    assert image.shape == (2, 3, 32, 32)
    assert float(image.detach().abs().max()) < 1


def test_normalisation_has_no_parameters_and_no_memory() -> None:
    network = Domain(8, 2, local_generator(0))
    found = [m for m in network.modules() if isinstance(m, nn.InstanceNorm2d)]
    assert found
    assert not any(m.affine or m.track_running_stats for m in found)
    weights = torch.cat(
        [p.detach().flatten() for n, p in network.named_parameters() if "weight" in n]
    )
    assert float(weights.std()) == pytest.approx(0.02, rel=0.02)
    assert all((p == 0).all() for n, p in network.named_parameters() if "bias" in n)


def test_residual_blocks_add() -> None:
    network = encoder(2, 1, local_generator(0))
    images = torch.randn(1, 3, 16, 16, generator=local_generator(1))
    before = network[:-1](images)
    residual: Any = network[-1]
    change = residual.layers(before)
    torch.testing.assert_close(network(images), before + change)
