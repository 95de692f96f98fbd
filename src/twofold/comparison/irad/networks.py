"""IRAD's networks, on frozen features or on small images."""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch
from torch import nn

from twofold.layers import Dropout, conv, conv_transpose, linear

__all__ = ["Networks", "feature_networks", "pixel_encoder", "pixel_networks"]

_SLOPE = 0.2  # Of the LeakyReLU in both discriminators, and the dropout before their last layer.
_DROP = 0.5
_HIDDEN = 128


@dataclass(frozen=True)
class Networks:
    """The five networks.

    Attributes:
        shared: E_sh, images -> (n, latent).
        private: E_pv of the source, images -> (n, latent).
        generator: G, (n, latent) -> images.
        discriminator: D, images -> logits (n, 1) of "real".
        latent_discriminator: D_z, (n, latent) -> logits (n, 1) of "source".
    """

    shared: nn.Module
    private: nn.Module
    generator: nn.Module
    discriminator: nn.Module
    latent_discriminator: nn.Module

    def named(self) -> dict[str, nn.Module]:
        """Every network by its name."""
        return dict(vars(self))


def feature_networks(
    dim: int, latent: int, hidden: int, generator: torch.Generator, drops: torch.Generator
) -> Networks:
    """For standardised pooled features of length ``dim`` in place of images.

    The published networks of Office images are unknown; these are ours: encoders Linear(dim,
    latent), G latent -> hidden -> dim with ReLU, both discriminators as the release ends its own.

    Args:
        dim: length of a feature.
        latent: length of a latent vector.
        hidden: width of G.
        generator: draws the weights.
        drops: draws what the discriminators drop.
    """
    return Networks(
        shared=linear(dim, latent, generator),
        private=linear(dim, latent, generator),
        generator=nn.Sequential(
            linear(latent, hidden, generator), nn.ReLU(), linear(hidden, dim, generator)
        ),
        discriminator=_judge(dim, generator, drops),
        latent_discriminator=_judge(latent, generator, drops),
    )


def pixel_networks(
    side: int, latent: int, width: int, generator: torch.Generator, drops: torch.Generator
) -> Networks:
    """The release's networks of 32-pixel digits, for three channels.

    At 64 pixels each has one level more (our choice), so that inner maps keep their sizes.

    Args:
        side: of the images, 32 or 64.
        latent: length of a latent vector.
        width: channels of the first layer (ngf; 32 in the release).
        generator: draws the weights.
        drops: draws what the discriminators drop.
    """
    return Networks(
        shared=pixel_encoder(side, latent, width, generator),
        private=pixel_encoder(side, latent, width, generator),
        generator=_generator(side, latent, width, generator),
        discriminator=_discriminator(side, width, generator, drops),
        latent_discriminator=_judge(latent, generator, drops),
    )


def pixel_encoder(
    side: int, latent: int, width: int, generator: torch.Generator | None = None
) -> nn.Sequential:
    """Four (five) halvings with normalisation and ReLU, then one more to latent x 1 x 1.

    Args:
        side: of the images.
        latent: length of a latent vector.
        width: channels of the first layer, doubled at each next one.
        generator: draws the weights; None where they are loaded afterwards.
    """
    levels = int(math.log2(side)) - 1
    channels = [3, *(width * 2**level for level in range(levels))]
    layers: list[nn.Module] = []
    for inputs, outputs in itertools.pairwise(channels):
        layers += _halve(inputs, outputs, generator)
    layers += [conv(channels[-1], latent, 4, generator, stride=2, padding=1), nn.Flatten()]
    return nn.Sequential(*layers)


def _generator(side: int, latent: int, width: int, generator: torch.Generator) -> nn.Sequential:
    levels = int(math.log2(side)) - 2
    channels = [width * 2**level for level in range(levels, 0, -1)]
    layers: list[nn.Module] = [nn.Unflatten(1, (latent, 1, 1))]
    layers += [conv_transpose(latent, channels[0], 4, generator), *_after(channels[0])]
    for inputs, outputs in itertools.pairwise(channels):
        layers += [
            conv_transpose(inputs, outputs, 4, generator, stride=2, padding=1),
            *_after(outputs),
        ]
    last = conv_transpose(channels[-1], 3, 4, generator, stride=2, padding=1)
    return nn.Sequential(*layers, last, nn.Tanh())


def _discriminator(
    side: int, width: int, generator: torch.Generator, drops: torch.Generator
) -> nn.Sequential:
    levels = int(math.log2(side)) - 3
    layers: list[nn.Module] = []
    for level in range(levels):
        layers += _halve(width if level else 3, width, generator)
    return nn.Sequential(*layers, nn.Flatten(), _judge(width * 8 * 8, generator, drops))


def _judge(dim: int, generator: torch.Generator, drops: torch.Generator) -> nn.Sequential:
    """The end of both discriminators; its sigmoid is part of the loss."""
    return nn.Sequential(
        linear(dim, _HIDDEN, generator),
        nn.LeakyReLU(_SLOPE),
        Dropout(_DROP, drops),
        linear(_HIDDEN, 1, generator),
    )


def _halve(inputs: int, outputs: int, generator: torch.Generator | None) -> list[nn.Module]:
    return [conv(inputs, outputs, 4, generator, stride=2, padding=1), *_after(outputs)]


def _after(channels: int) -> list[nn.Module]:
    # Ones and zeros at the start: nothing is drawn.
    return [nn.BatchNorm2d(channels), nn.ReLU()]
