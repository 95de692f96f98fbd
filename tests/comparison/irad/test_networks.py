"""IRAD's networks, on features and on pixels."""

from __future__ import annotations

import pytest
import torch
from tests.comparison.irad.cases import DIM, LATENT, same
from torch import nn

from twofold.comparison.irad.networks import (
    feature_networks,
    pixel_encoder,
    pixel_networks,
)
from twofold.layers import Dropout
from twofold.training import local_generator


def names(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.modules() if not list(layer.children())]


@pytest.mark.parametrize(
    ("side", "inner"), [(32, [32, 64, 128, 256]), (64, [32, 64, 128, 256, 512])]
)
def test_networks_on_pixels(side: int, inner: list[int]) -> None:
    nets = pixel_networks(side, 64, 32, local_generator(0), local_generator(1))
    images = torch.zeros(2, 3, side, side)
    latents = torch.zeros(2, 64)
    for encoder in (nets.shared, nets.private):
        assert encoder(images).shape == (2, 64)
        convolutions = [layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
        assert [layer.out_channels for layer in convolutions] == [*inner, 64]
        for layer in convolutions:
            assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))
        block = ["Conv2d", "BatchNorm2d", "ReLU"]
        assert names(encoder) == [*block * len(inner), "Conv2d", "Flatten"]
    made = nets.generator(latents)
    assert made.shape == images.shape
    assert names(nets.generator)[-2:] == ["ConvTranspose2d", "Tanh"]
    up = [layer for layer in nets.generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in up] == [*inner[:0:-1], 3]
    assert [layer.stride for layer in up] == [(1, 1), *[(2, 2)] * (len(up) - 1)]
    judge = nets.discriminator
    down = [layer for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in down] == [32] * (len(inner) - 2)
    widths = [layer.weight.shape for layer in judge.modules() if isinstance(layer, nn.Linear)]
    assert widths == [(128, 32 * 8 * 8), (1, 128)]
    assert judge(images).shape == nets.latent_discriminator(latents).shape == (2, 1)


@pytest.mark.parametrize("kind", ["discriminator", "latent_discriminator"])
def test_both_discriminators_end_alike(kind: str) -> None:
    nets = feature_networks(DIM, LATENT, 5, local_generator(0), local_generator(1))
    network = nets.named()[kind]
    assert names(network) == ["Linear", "LeakyReLU", "Dropout", "Linear"]
    (slope,) = (m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU))
    (share,) = (m.share for m in network.modules() if isinstance(m, Dropout))
    assert (slope, share) == (0.2, 0.5)


def test_networks_on_features() -> None:
    nets = feature_networks(DIM, LATENT, 5, local_generator(0), local_generator(1))
    assert names(nets.shared) == names(nets.private) == ["Linear"]
    assert names(nets.generator) == ["Linear", "ReLU", "Linear"]
    assert not same(nets.shared, nets.private)


def test_an_encoder_to_be_loaded_into_draws_nothing() -> None:
    before = torch.get_rng_state()
    pixel_encoder(32, 8, 4)
    assert torch.equal(before, torch.get_rng_state())
