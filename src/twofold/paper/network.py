"""The network that the trained methods adapt."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from twofold.encoders.encoder import Encoder
from twofold.layers import linear
from twofold.paper.options import Geometry
from twofold.training import TrainingConfig

__all__ = ["AdaptedNetwork", "Trainee"]


class AdaptedNetwork(nn.Module):
    """The trainable end of the encoder, perhaps a new head, perhaps onto the unit sphere.

    Args:
        encoder: the network to continue; what trains is a copy.
        config: what trains and with which head.
        geometry: see :data:`Geometry`.
        generator: draws a new head's weights; None where weights are loaded afterwards.
    """

    def __init__(
        self,
        encoder: Encoder,
        config: TrainingConfig,
        geometry: Geometry = "euclidean",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.suffix = encoder.trainable_suffix(config.trainable)
        dim = encoder.spec.feature_dim
        self.head: nn.Module = nn.Identity()
        if config.head == "projection":
            width = config.head_dim
            first = linear(dim, width, generator, bias=False)
            self.head = nn.Sequential(first, nn.BatchNorm1d(width), nn.ReLU())
        elif config.has_head:
            # A bias would let the network reach the trivial constant solution (Ruff et al.).
            straight = linear(dim, dim, bias=False)
            nn.init.eye_(straight.weight)
            self.head = straight
        self.dim = config.head_dim if config.head == "projection" else dim
        self.on_sphere = geometry == "sphere"

    def forward(self, activations: Tensor) -> Tensor:
        """(n, ...) activations at the split -> (n, dim)."""
        features: Tensor = self.head(self.suffix(activations))
        return normalize(features, dim=1) if self.on_sphere else features


class Trainee(nn.Module):
    """What the optimiser sees: the network, and what only training needs."""

    def __init__(self, network: AdaptedNetwork, alignment: nn.Module) -> None:
        super().__init__()
        self.network = network
        self.alignment = alignment

    def forward(self, activations: Tensor) -> Tensor:
        """(n, ...) activations at the split -> (n, dim) features."""
        features: Tensor = self.network(activations)
        return features
