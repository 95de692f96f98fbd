"""TSA's network, its memories of features, and the loss of a step."""

from __future__ import annotations

from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.encoders.backbone import freeze_batch_norm
from twofold.encoders.encoder import Encoder
from twofold.layers import linear
from twofold.losses import (
    augmented_cross_entropy,
    class_covariances,
    class_shifts,
    mutual_information,
)
from twofold.paper.network import AdaptedNetwork
from twofold.paper.objective import draw_rows
from twofold.training import Step, TrainingConfig, as_batch

__all__ = ["Labelled", "TsaNetwork", "TsaObjective"]

Rows = NDArray[np.float32]

_CLASSES = 2  # Normal and anomaly.
# Rows per pass that fills the memories.
_BLOCK = 64


class TsaNetwork(nn.Module):
    """Encoder's end, linear + normalisation + ReLU, and a linear classifier of two classes.

    Args:
        encoder: to continue; what trains is a copy.
        config: what trains, and the bottleneck's width.
        generator: draws new weights; None where they are loaded afterwards.

    Attributes:
        head: the classifier; its rows are normal and anomaly.
    """

    def __init__(
        self, encoder: Encoder, config: TrainingConfig, generator: torch.Generator | None = None
    ) -> None:
        super().__init__()
        self.body = AdaptedNetwork(encoder, config, generator=generator)
        self.head = linear(self.body.dim, _CLASSES, generator)

    def forward(self, activations: Tensor) -> Tensor:
        """(n, ...) activations at the split -> the bottleneck's features (n, dim)."""
        features: Tensor = self.body(activations)
        return features

    def train(self, mode: bool = True) -> TsaNetwork:
        """As usual, but for the encoder's normalisation layers, which keep their statistics."""
        super().train(mode)
        freeze_batch_norm(self.body.suffix)
        return self


class Labelled:
    """Images of a domain in two classes, with a memory of their features.

    Args:
        normal: (n, ...) activations.
        anomalous: (m, ...) activations.
        dim: length of a feature.

    Attributes:
        labels: int64 (n + m,), what each image counts as.
        memory: (n + m, dim), the latest feature of each image.
    """

    def __init__(self, normal: Rows, anomalous: Rows, dim: int) -> None:
        self._parts = (normal, anomalous)
        self.labels = torch.tensor([0] * len(normal) + [1] * len(anomalous))
        self.memory = torch.zeros(len(self), dim)

    def __len__(self) -> int:
        return sum(len(part) for part in self._parts)

    def rows(self, index: NDArray[np.intp]) -> Rows:
        """Activations at the positions; those of normals must come first."""
        n = len(self._parts[0])
        inside, outside = index[index < n], index[index >= n] - n
        return np.concatenate([self._parts[0][inside], self._parts[1][outside]])

    def draw(self, size: int, generator: torch.Generator) -> NDArray[np.intp]:
        """Positions of a batch, half of it normal."""
        n_source, n_target = (len(part) for part in self._parts)
        own = draw_rows(n_source, size - size // 2, generator)
        return np.concatenate([own, n_source + draw_rows(n_target, size // 2, generator)])

    def remember(self, index: NDArray[np.intp], features: Tensor) -> None:
        """Refresh the memory at the positions."""
        self.memory = self.memory.to(features)
        self.memory[torch.from_numpy(index)] = features.detach()


class TsaObjective:
    """The loss of one step, and the refreshing of the memories.

    Args:
        source: labelled images of the source.
        target: shots and their pseudo-anomalies.
        batch: images of each domain per step.
        strength: lambda_0, reached at the end.
        mi_weight: beta.
        shrinkage: rho of the target's covariances.
        pseudo_labels: whether the target's images count as what the classifier says of them.
        generator: of every draw.
    """

    def __init__(
        self,
        source: Labelled,
        target: Labelled,
        *,
        batch: int,
        strength: float,
        mi_weight: float,
        shrinkage: float,
        pseudo_labels: bool,
        generator: torch.Generator,
    ) -> None:
        self._source, self._target, self._batch = source, target, batch
        self._strength, self._mi_weight, self._shrinkage = strength, mi_weight, shrinkage
        self._pseudo_labels, self._generator = pseudo_labels, generator

    def fill(self, network: TsaNetwork) -> None:
        """Fill the memories, with statistics of mixed batches as in training."""
        n = len(self._source)
        order = torch.randperm(n + len(self._target), generator=self._generator)
        network.train()
        with torch.no_grad():
            for chunk in order.tensor_split(max(1, len(order) // _BLOCK)):
                mixed = np.sort(chunk.numpy()).astype(np.intp)
                self._forward(network, mixed[mixed < n], mixed[mixed >= n] - n)
            if self._pseudo_labels:
                self._target.labels = _logits(network, self._target.memory).argmax(dim=1)

    def __call__(self, module: nn.Module, step: Step) -> Tensor:
        """See :data:`twofold.training.StepLoss`."""
        own = self._source.draw(self._batch, self._generator)
        other = self._target.draw(self._batch, self._generator)
        of_source, of_target = self._forward(module, own, other)
        logits = _logits(module, of_target)
        if self._pseudo_labels:
            at = torch.from_numpy(other)
            self._target.labels[at] = logits.detach().argmax(dim=1).to(self._target.labels)
        head = cast(nn.Linear, module.head)
        supervised = augmented_cross_entropy(
            of_source,
            self._source.labels[torch.from_numpy(own)].to(of_source.device),
            head.weight,
            head.bias,
            shifts=self._shifts(),
            covariances=class_covariances(
                self._target.memory,
                self._target.labels.to(of_source.device),
                _CLASSES,
                shrinkage=self._shrinkage,
            ),
            strength=self._strength * step.progress,
        )
        return supervised - self._mi_weight * mutual_information(logits)

    def _forward(
        self, module: nn.Module, own: NDArray[np.intp], other: NDArray[np.intp]
    ) -> tuple[Tensor, Tensor]:
        """Features of images of both domains, which are remembered."""
        device = next(module.parameters()).device
        batch = np.concatenate([self._source.rows(own), self._target.rows(other)])
        # One pass for both domains: live statistics of each by itself would adapt too.
        of_source, of_target = module(as_batch(batch, device)).float().split([len(own), len(other)])
        self._source.remember(own, of_source)
        self._target.remember(other, of_target)
        return of_source, of_target

    def _shifts(self) -> Tensor:
        source, target = self._source, self._target
        device = source.memory.device
        return class_shifts(
            source.memory,
            source.labels.to(device),
            target.memory,
            target.labels.to(device),
            _CLASSES,
        )


def _logits(module: nn.Module, features: Tensor) -> Tensor:
    logits: Tensor = cast(nn.Linear, module.head)(features)
    return logits
