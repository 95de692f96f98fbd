"""ILDR's domains: their normals, and anomalies that are known, made or absent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.augmentation import Style, pseudo_anomalies, restyle
from twofold.comparison.pixels import encode_made
from twofold.encoders.encoder import Encoder
from twofold.losses import ildr_loss
from twofold.training import Step

__all__ = ["Domain", "IldrObjective", "Maker"]

Rows = NDArray[np.float32]
Pixels = NDArray[np.uint8]


@dataclass(frozen=True)
class Domain:
    """Pooled features of one domain.

    Attributes:
        normal: float32 (n, d), n >= 1.
        anomalous: float32 (m, d), m >= 0.
    """

    normal: Rows
    anomalous: Rows

    def mapped(self, change: Callable[[Rows], Rows]) -> Domain:
        """The same rows after a change of the features."""
        return Domain(change(self.normal), change(self.anomalous))


class Maker:
    """Features of images that are made from others.

    Args:
        encoder: whose pooled vector is taken.
        random_state: of everything drawn.
        patch_sides: of :func:`twofold.augmentation.patch_pseudo_anomaly`.
    """

    def __init__(self, encoder: Encoder, random_state: int, patch_sides: tuple[int, int]) -> None:
        self._encoder, self._seed, self._sides = encoder, random_state, patch_sides

    def pseudo(self, pixels: NDArray[np.generic], style: Style | None = None) -> Rows:
        """A pseudo-anomaly of each image, in a style."""
        generator = np.random.default_rng(self._seed)
        return self._encode(
            pixels,
            lambda images: pseudo_anomalies(self._styled(images, style), self._sides, generator),
        )

    def restyled(self, pixels: NDArray[np.generic], style: Style) -> Rows:
        """Each image in a style."""
        return self._encode(pixels, lambda images: self._styled(images, style))

    def _styled(self, images: Pixels, style: Style | None) -> Pixels:
        if style is None:
            return images
        # The same draws for each image: a domain has one look.
        return np.stack(
            [restyle(image, style, np.random.default_rng(self._seed)) for image in images]
        )

    def _encode(self, pixels: NDArray[np.generic], change: Callable[[Pixels], Pixels]) -> Rows:
        def make(rows: slice) -> Pixels:
            return change(pixels[rows].astype(np.uint8))

        return encode_made(self._encoder, len(pixels), make)


class IldrObjective:
    """The loss of one step, summed over the domains, one sample of each latent vector.

    Args:
        domains: standardised features.
        latent: K, length of a domain's vector.
        batch: normals and anomalies of a domain per step (at most).
        set_sizes: least and greatest number of normals a vector is inferred from; as many as there
            are where there are fewer.
        weights: of the AUC term and the divergence.
        generator: of every draw.
    """

    def __init__(
        self,
        domains: Sequence[Domain],
        *,
        latent: int,
        batch: int,
        set_sizes: tuple[int, int],
        weights: tuple[float, float],
        generator: torch.Generator,
    ) -> None:
        self._domains = [
            (torch.from_numpy(d.normal), torch.from_numpy(d.anomalous)) for d in domains
        ]
        self._latent, self._batch = latent, batch
        self._sizes, self._weights = set_sizes, weights
        self._generator = generator

    def __call__(self, module: nn.Module, step: Step) -> Tensor:
        """See :data:`twofold.training.StepLoss`."""
        del step
        losses = [self._of_domain(module, *domain) for domain in self._domains]
        return torch.stack(losses).sum()

    def _of_domain(self, module: nn.Module, normal: Tensor, anomalous: Tensor) -> Tensor:
        least, most = self._sizes
        size = int(torch.randint(least, most + 1, (), generator=self._generator))
        parts = [
            self._draw(normal, self._batch),
            self._draw(anomalous, self._batch),
            self._draw(normal, size),
            torch.randn(self._latent, generator=self._generator),
        ]
        device = next(module.parameters()).device
        low, high, mean, log_variance = module(*(part.to(device) for part in parts))
        auc, kl = self._weights
        return ildr_loss(low, high, mean, log_variance, auc_weight=auc, kl_weight=kl)

    def _draw(self, rows: Tensor, quota: int) -> Tensor:
        return rows[torch.randperm(len(rows), generator=self._generator)[:quota]]
