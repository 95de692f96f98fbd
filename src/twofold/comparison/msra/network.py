"""MsRA's network: spectral pooling of the deepest map, a bottleneck, and two heads for training."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from twofold.comparison.msra.dct import SpectralWeights, spectral_coefficients
from twofold.encoders.backbone import Suffix, as_map, freeze_batch_norm
from twofold.encoders.encoder import Encoder
from twofold.encoders.spec import Trainable
from twofold.layers import Dropout, linear
from twofold.paper.options import Geometry

__all__ = ["MsraNetwork", "MsraTrainee"]


class _Trunk(nn.Module):
    """The encoder from a split to its deepest stage map, then the map's cosine coefficients.

    Its normalisation layers always keep the pretrained statistics.
    """

    def __init__(self, encoder: Encoder, trains: Trainable) -> None:
        super().__init__()
        # What enters the last stage is there for every encoder, and cached for other methods too.
        split: Trainable = "last_stage" if trains == "head" else trains
        segments = encoder.trainable_suffix(split).segments
        taps = encoder.network.backbone.taps
        names = list(segments)
        last = names.index(taps[max(taps)])
        self.suffix = Suffix((name, segments[name]) for name in names[: last + 1])
        self.suffix.requires_grad_(trains != "head")

    def forward(self, activations: Tensor) -> Tensor:
        """(n, ...) activations at the split -> (n, 16, c)."""
        return spectral_coefficients(as_map(self.suffix(activations)))

    def train(self, mode: bool = True) -> _Trunk:
        """As usual, but for the normalisation layers."""
        super().train(mode)
        freeze_batch_norm(self)
        return self


class MsraNetwork(nn.Module):
    """Activations at a split -> h: the part that scores.

    ``sphere`` brings the pooled vector to one length before the bottleneck. Behind it would be
    too late: its normalisation moves the origin to the mean of the images, so that the length of h
    is how far an image is from them, and must stay.

    Args:
        encoder: to continue; what trains is a copy.
        trains: how much of it.
        width: of h.
        geometry: see :data:`twofold.paper.options.Geometry`; ``euclidean`` is the release.
        generator: draws new weights; None where they are loaded afterwards.

    Attributes:
        dim: width of h.
    """

    def __init__(
        self,
        encoder: Encoder,
        trains: Trainable,
        width: int,
        geometry: Geometry = "euclidean",
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.dim, self.on_sphere = width, geometry == "sphere"
        self.trunk = _Trunk(encoder, trains)
        deepest = max(encoder.network.backbone.taps)
        self.pooling = SpectralWeights(generator)
        self.bottleneck = nn.Sequential(
            linear(encoder.spec.map_channels[deepest], width, generator),
            nn.BatchNorm1d(width),
            nn.ReLU(),
        )

    def forward(self, activations: Tensor) -> Tensor:
        """(n, ...) activations at the split -> (n, dim)."""
        return self.from_coefficients(self.trunk(activations))

    def from_coefficients(self, coefficients: Tensor) -> Tensor:
        """(n, 16, c) -> (n, dim)."""
        pooled: Tensor = self.pooling(coefficients)
        if self.on_sphere:  # Of radius sqrt(c), so that values are about 1 at any width.
            pooled = normalize(pooled, dim=1) * math.sqrt(pooled.shape[1])
        features: Tensor = self.bottleneck(pooled)
        return features


class MsraTrainee(nn.Module):
    """What the optimiser sees: the network and the two heads that only training needs.

    Args:
        network: see :class:`MsraNetwork`.
        hidden: width of the heads.
        dropout: share dropped in the class head.
        from_coefficients: whether rows are coefficients, computed once, or activations.
        always_eval: running statistics and no dropout while training, as the release trains.
        generator: draws the heads' weights, and what is dropped.

    Attributes:
        class_head: h -> (n, 1), what its sigmoid takes.
        domain_head: h -> (n, 2) log-probabilities of source and target.
    """

    def __init__(
        self,
        network: MsraNetwork,
        *,
        hidden: int,
        dropout: float,
        from_coefficients: bool,
        always_eval: bool,
        generator: torch.Generator,
    ) -> None:
        super().__init__()
        self.network = network
        self._from_coefficients, self._always_eval = from_coefficients, always_eval
        self.class_head = nn.Sequential(
            *_block(network.dim, hidden, generator),
            Dropout(dropout, generator),
            *_block(hidden, hidden, generator),
            linear(hidden, 1, generator),
        )
        self.domain_head = nn.Sequential(
            *_block(network.dim, hidden, generator),
            linear(hidden, 2, generator),
            nn.LogSoftmax(dim=1),
        )

    def forward(self, rows: Tensor) -> Tensor:
        """(n, ...) -> h (n, dim)."""
        if self._from_coefficients:
            return self.network.from_coefficients(rows)
        features: Tensor = self.network(rows)
        return features

    def train(self, mode: bool = True) -> MsraTrainee:
        """As usual, unless everything stays in evaluation mode."""
        super().train(mode and not self._always_eval)
        return self


def _block(inputs: int, outputs: int, generator: torch.Generator) -> tuple[nn.Module, ...]:
    return linear(inputs, outputs, generator), nn.BatchNorm1d(outputs), nn.ReLU()
