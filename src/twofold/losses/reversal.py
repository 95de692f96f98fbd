"""Adversarial alignment through a gradient reversal layer (Ganin & Lempitsky 2015)."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from twofold.layers import linear
from twofold.losses.contrastive import zero_in_graph

__all__ = ["DomainDiscriminator", "adversarial_alignment", "reversal_coefficient", "reverse"]


class _Reverse(torch.autograd.Function):
    """Identity forward, gradient times ``-coefficient`` backward."""

    @staticmethod
    def forward(ctx: Any, features: Tensor, coefficient: float) -> Tensor:
        ctx.coefficient = coefficient
        return features.view_as(features)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.coefficient * gradients[0], None


def reverse(features: Tensor, coefficient: float = 1.0) -> Tensor:
    """The features unchanged; on the way back their gradient times ``-coefficient``.

    Args:
        features: of any shape and floating type.
        coefficient: strength of the reversal; 0 stops the gradient.
    """
    reversed_: Tensor = _Reverse.apply(features, coefficient)
    return reversed_


def reversal_coefficient(progress: float) -> float:
    """``2 / (1 + exp(-10 p)) - 1``: from 0 at the start of training to nearly 1 at its end.

    A discriminator that has learnt nothing yet sends no useful gradient (Ganin & Lempitsky).

    Args:
        progress: p in [0, 1], the share of the steps that is over.
    """
    return 2.0 / (1.0 + math.exp(-10.0 * progress)) - 1.0


class DomainDiscriminator(nn.Module):
    """``d -> h -> h -> 1`` with batch normalisation and ReLU; the logit of "source".

    PyTorch's usual initialisation, drawn from the given generator: the global one is neither
    read nor moved.

    Args:
        dim: d.
        hidden: h, 1024 in the Transfer-Learning-Library.
        generator: of the CPU, where the parameters are made.
    """

    def __init__(self, dim: int, hidden: int = 1024, *, generator: torch.Generator) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            linear(dim, hidden, generator),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            linear(hidden, hidden, generator),
            nn.BatchNorm1d(hidden),
            nn.ReLU(),
            linear(hidden, 1, generator),
        )

    def forward(self, features: Tensor) -> Tensor:
        """(n, d) -> logits (n,); n >= 2 in training mode, which batch normalisation needs."""
        logits: Tensor = self.layers(features)
        return logits.squeeze(1)


def adversarial_alignment(
    discriminator: nn.Module, source: Tensor, dominant: Tensor, coefficient: float
) -> Tensor:
    """``(BCE(source, 1) + BCE(target, 0)) / 2`` behind a reversal of the features' gradient.

    The discriminator learns to tell the domains apart, the features unlearn it.

    Args:
        discriminator: (n, d) -> logits (n,), such as :class:`DomainDiscriminator`. It sees both
            domains as one batch, so that batch normalisation does not tell them apart.
        source: (n, d).
        dominant: (m, d) features of presumed target normals; n and m may differ.
        coefficient: strength of the reversal, see :func:`reversal_coefficient`.

    Returns:
        Scalar >= 0; ln 2 is chance. 0 where either domain is empty. Half-precision features are
        computed in float32. Cost: one pass of n + m rows through the discriminator.
    """
    if not len(source) or not len(dominant):
        return zero_in_graph(source, dominant)
    dtype = torch.promote_types(source.dtype, torch.float32)
    rows = torch.cat([source.to(dtype), dominant.to(dtype)])
    logits = discriminator(reverse(rows, coefficient))
    source_logits, target_logits = logits[: len(source)], logits[len(source) :]
    of_source = binary_cross_entropy_with_logits(source_logits, torch.ones_like(source_logits))
    of_target = binary_cross_entropy_with_logits(target_logits, torch.zeros_like(target_logits))
    return 0.5 * (of_source + of_target)
