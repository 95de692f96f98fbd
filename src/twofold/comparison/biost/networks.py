"""BiOST's networks: an encoder and a decoder for each of two domains, nothing shared."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twofold.layers import conv, conv_transpose

__all__ = ["Domain", "Translator", "decoder", "encoder"]


class Domain(nn.Module):
    """One domain's encoder E and decoder D."""

    def __init__(
        self, width: int, residual_blocks: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.encoder = encoder(width, residual_blocks, generator)
        self.decoder = decoder(width, residual_blocks, generator)


class Translator(nn.Module):
    """Domain A, of which there is one image (the shot), and B, of which there are many (source).

    Args:
        width: channels of the first layer (ngf).
        residual_blocks: in each encoder and each decoder.
        generator: draws the weights; None where they are loaded afterwards.
    """

    def __init__(
        self, width: int, residual_blocks: int, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.b = Domain(width, residual_blocks, generator)
        self.a = Domain(width, residual_blocks)
        self.start_a_from_b()

    def start_a_from_b(self) -> None:
        """Give A's networks the weights of B's."""
        self.a.load_state_dict(self.b.state_dict())

    def path(self, source: str, target: str) -> nn.Sequential:
        """From images of one domain (``a`` or ``b``) to images of another, or of the same."""
        domains = {"a": self.a, "b": self.b}
        return nn.Sequential(domains[source].encoder, domains[target].decoder)


def encoder(
    width: int, residual_blocks: int, generator: torch.Generator | None = None
) -> nn.Sequential:
    """(n, 3, s, s) -> (n, 4 width, s/4, s/4); s a multiple of 4.

    Reflecting padding of 3, a 7 x 7 convolution, two of 3 x 3 with stride 2, residual blocks;
    instance normalisation without parameters and ReLU behind each convolution. Weights N(0, 0.02).
    """
    return nn.Sequential(
        nn.ReflectionPad2d(3),
        conv(3, width, 7, generator),
        *_norm(width),
        conv(width, 2 * width, 3, generator, stride=2, padding=1),
        *_norm(2 * width),
        conv(2 * width, 4 * width, 3, generator, stride=2, padding=1),
        *_norm(4 * width),
        *(_Residual(4 * width, generator) for _ in range(residual_blocks)),
    )


def decoder(
    width: int, residual_blocks: int, generator: torch.Generator | None = None
) -> nn.Sequential:
    """(n, 4 width, s/4, s/4) -> (n, 3, s, s) in (-1, 1): an encoder's mirror with a Tanh."""
    return nn.Sequential(
        *(_Residual(4 * width, generator) for _ in range(residual_blocks)),
        conv_transpose(4 * width, 2 * width, 3, generator, stride=2, padding=1, output_padding=1),
        *_norm(2 * width),
        conv_transpose(2 * width, width, 3, generator, stride=2, padding=1, output_padding=1),
        *_norm(width),
        nn.ReflectionPad2d(3),
        conv(width, 3, 7, generator),
        nn.Tanh(),
    )


class _Residual(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), 3 x 3 with reflecting padding."""

    def __init__(self, channels: int, generator: torch.Generator | None) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ReflectionPad2d(1),
            conv(channels, channels, 3, generator),
            *_norm(channels),
            nn.ReflectionPad2d(1),
            conv(channels, channels, 3, generator),
            nn.InstanceNorm2d(channels),
        )

    def forward(self, maps: Tensor) -> Tensor:
        """(n, c, h, w) -> the same shape."""
        change: Tensor = self.layers(maps)
        return maps + change


def _norm(channels: int) -> tuple[nn.Module, nn.Module]:
    # Without parameters and running statistics: the same in training and evaluation.
    return nn.InstanceNorm2d(channels), nn.ReLU()
