"""ILDR's networks: a domain's vector from a set of its images, and what that vector controls."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from twofold.layers import linear

__all__ = ["IldrNetwork", "Scorer"]

# exp of it must stay finite however wrong an early step is.
_LOG_VARIANCE = 10.0


class IldrNetwork(nn.Module):
    """Both networks, on vectors of d standardised features.

    Args:
        dim: d.
        latent: K, length of a domain's vector.
        hidden: width of the hidden layers.
        code: width of the autoencoder's narrowest layer.
        generator: of the first weights; None leaves them to be loaded.
    """

    def __init__(
        self,
        dim: int,
        latent: int,
        hidden: int,
        code: int,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self.element = nn.Sequential(linear(dim, hidden, generator), nn.ReLU())
        self.summary = nn.Sequential(
            linear(hidden, hidden, generator), nn.ReLU(), linear(hidden, 2 * latent, generator)
        )
        self.encoder = nn.Sequential(
            linear(dim + latent, hidden, generator), nn.ReLU(), linear(hidden, code, generator)
        )
        self.decoder = nn.Sequential(
            linear(code + latent, hidden, generator), nn.ReLU(), linear(hidden, dim, generator)
        )

    def infer(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """q(z | set) from (n, d), n >= 1, in any order: mean (K,) and log-variance (K,)."""
        mean, log_variance = self.summary(self.element(images).mean(dim=0)).chunk(2)
        return mean, log_variance.clamp(-_LOG_VARIANCE, _LOG_VARIANCE)

    def score(self, images: Tensor, z: Tensor) -> Tensor:
        """s(x | z) of (n, d) under one vector (K,): mean squared error of rebuilding, (n,)."""
        beside = z.expand(len(images), -1)
        code = self.encoder(torch.cat([images, beside], dim=1))
        rebuilt = self.decoder(torch.cat([code, beside], dim=1))
        errors: Tensor = (images - rebuilt).square().mean(dim=1)
        return errors

    def forward(
        self, normal: Tensor, anomalous: Tensor, known: Tensor, noise: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """One domain, one sample of its vector.

        Args:
            normal: (n, d).
            anomalous: (m, d), m >= 0.
            known: (k, d) normals that the vector is inferred from.
            noise: (K,) standard normal.

        Returns:
            Scores (n,) and (m,), mean (K,) and log-variance (K,) of q.
        """
        mean, log_variance = self.infer(known)
        z = mean + noise * (log_variance / 2).exp()
        scores = self.score(torch.cat([normal, anomalous]), z)
        return scores[: len(normal)], scores[len(normal) :], mean, log_variance


class Scorer(nn.Module):
    """Mean score over fixed vectors.

    Args:
        network: trained.
        vectors: (l, K).
    """

    def __init__(self, network: IldrNetwork, vectors: Tensor) -> None:
        super().__init__()
        self.network, self.vectors = network, vectors

    def forward(self, images: Tensor) -> Tensor:
        """(n, d) -> (n, 1)."""
        scores = [self.network.score(images, z) for z in self.vectors]
        return torch.stack(scores).mean(dim=0)[:, None]
