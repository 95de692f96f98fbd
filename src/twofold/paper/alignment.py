"""The alignment terms as modules, so that one with parameters of its own trains beside the network.

Each takes the features of a batch and gives a scalar.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

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
from twofold.paper.options import AdaptationConfig

__all__ = ["Features", "make_alignment"]


@dataclass(frozen=True)
class Features:
    """What an alignment may look at.

    Attributes:
        source: (n, d) of source normals.
        dominant: (p, d) of presumed target normals.
        others: (m, d) of the other target images.
        weights: (m,) of the others, or None.
        progress: share of the training that is over.
    """

    source: Tensor
    dominant: Tensor
    others: Tensor
    weights: Tensor | None
    progress: float


class _Plain(nn.Module):
    """A term without parameters of its own."""

    def __init__(self, loss: Callable[[Features], Tensor]) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, features: Features) -> Tensor:
        return self.loss(features)


class _Adversarial(nn.Module):
    """A domain discriminator behind a gradient reversal; has no negatives."""

    def __init__(self, dim: int, generator: torch.Generator) -> None:
        super().__init__()
        self.discriminator = DomainDiscriminator(dim, generator=generator)

    def forward(self, features: Features) -> Tensor:
        return adversarial_alignment(
            self.discriminator,
            features.source,
            features.dominant,
            reversal_coefficient(features.progress),
        )


def make_alignment(options: AdaptationConfig, dim: int, generator: torch.Generator) -> nn.Module:
    """The term that ``options.alignment`` names.

    Args:
        options: of the method.
        dim: of the features.
        generator: draws the initial weights of a discriminator.
    """

    def contrastive(f: Features) -> Tensor:
        return contrastive_alignment(
            f.source,
            f.dominant,
            f.others,
            temperature=options.temperature,
            alpha=options.alpha,
            weights=f.weights,
            debias=options.debias,
        )

    def infonce(f: Features) -> Tensor:
        return infonce_alignment(f.source, f.dominant, f.others, temperature=options.temperature)

    if options.alignment == "grl":
        return _Adversarial(dim, generator)
    plain = {
        "contrastive": contrastive,
        "infonce": infonce,
        "mmd": lambda f: mmd_alignment(f.source, f.dominant),
    }
    return _Plain(plain[options.alignment])
