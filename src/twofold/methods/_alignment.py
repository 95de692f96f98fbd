"""The alignment terms as modules, so that one with parameters of its own trains beside the network.

Each is called with (source, dominant, others, weights, progress) and returns a scalar.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twofold.losses import (
    DomainDiscriminator,
    adversarial_alignment,
    contrastive_alignment,
    infonce_alignment,
    mmd_alignment,
    reversal_coefficient,
)
from twofold.methods._options import AdaptationConfig

__all__ = ["make_alignment"]


class _Contrastive(nn.Module):
    """Eq. 8-9."""

    def __init__(self, options: AdaptationConfig) -> None:
        super().__init__()
        self.options = options

    def forward(
        self,
        source: Tensor,
        dominant: Tensor,
        others: Tensor,
        weights: Tensor | None,
        progress: float,
    ) -> Tensor:
        del progress
        return contrastive_alignment(
            source,
            dominant,
            others,
            temperature=self.options.temperature,
            alpha=self.options.alpha,
            weights=weights,
            debias=self.options.debias,
        )


class _InfoNce(_Contrastive):
    """Eq. 8 with the positive in its denominator."""

    def forward(
        self,
        source: Tensor,
        dominant: Tensor,
        others: Tensor,
        weights: Tensor | None,
        progress: float,
    ) -> Tensor:
        del weights, progress
        return infonce_alignment(source, dominant, others, temperature=self.options.temperature)


class _Mmd(nn.Module):
    """Maximum mean discrepancy; has no negatives."""

    def forward(
        self,
        source: Tensor,
        dominant: Tensor,
        others: Tensor,
        weights: Tensor | None,
        progress: float,
    ) -> Tensor:
        del others, weights, progress
        return mmd_alignment(source, dominant)


class _Adversarial(nn.Module):
    """A domain discriminator behind a gradient reversal; has no negatives."""

    def __init__(self, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.discriminator = DomainDiscriminator(dim, generator=generator)

    def forward(
        self,
        source: Tensor,
        dominant: Tensor,
        others: Tensor,
        weights: Tensor | None,
        progress: float,
    ) -> Tensor:
        del others, weights
        return adversarial_alignment(
            self.discriminator, source, dominant, reversal_coefficient(progress)
        )


def make_alignment(options: AdaptationConfig, dim: int, generator: torch.Generator) -> nn.Module:
    """The term that ``options.alignment`` names.

    Args:
        options: of the method.
        dim: of the features.
        generator: draws the initial weights of a discriminator.
    """
    if options.alignment == "mmd":
        return _Mmd()
    if options.alignment == "grl":
        return _Adversarial(dim, generator)
    return _InfoNce(options) if options.alignment == "infonce" else _Contrastive(options)
