"""Eq. 10 on mini-batches: what is drawn, what the centre is, which target images align."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.losses import one_class_center, svdd_loss
from twofold.paper.alignment import Features
from twofold.paper.options import AdaptationConfig
from twofold.selection import Partition
from twofold.training import Step, as_batch, forward_all

__all__ = ["Objective", "draw_rows"]

Rows = NDArray[np.intp]
Activations = NDArray[np.float32]

# Of a moving average over some ten batches.
_EMA = 0.9


class Objective:
    """The loss of one step; called by the optimisation loop with the trainee.

    Args:
        options: of the method.
        source: (n, ...) activations of the source normals.
        pool: (m, ...) of the target images, or None.
        partition: makes the partition of the pool's rows; None trains on the source alone. Called
            before the first step, and before each epoch if ``each_epoch``.
        each_epoch: whether the partition follows the training.
        center: (d,) the centre before training, of frozen normalisation layers.
        lambda_ad: weight of eq. 5, scaled.
        generator: of every draw.

    Attributes:
        partition: the last one.
    """

    def __init__(
        self,
        options: AdaptationConfig,
        *,
        source: Activations,
        pool: Activations | None,
        partition: Callable[[], Partition | None],
        each_epoch: bool,
        center: Tensor,
        lambda_ad: float,
        generator: torch.Generator,
    ) -> None:
        self._options = options
        self._source, self._pool = source, pool
        self._make_partition, self._each_epoch = partition, each_epoch
        self._center, self._lambda_ad = center, lambda_ad
        self._generator = generator
        self.partition = partition()

    def __call__(self, module: nn.Module, step: Step) -> Tensor:
        """See :data:`twofold.training.StepLoss`."""
        if step.starts_epoch and step.index and self._each_epoch:
            self.partition = self._make_partition()
        if self._is_center_due(step):
            self._center = self._center_now(module)
        features = self._features(module, step.progress)
        center = self._moved_center(features.source)
        compactness = svdd_loss(features.source, center)
        if self._options.center_before_cosine:
            features = replace(
                features,
                source=features.source - center,
                dominant=features.dominant - center,
                others=features.others - center,
            )
        alignment: Tensor = module.alignment(features)  # type: ignore[operator]
        return self._lambda_ad * compactness + self._options.lambda_uda * alignment

    def final_center(self, source_features: NDArray[np.float64]) -> NDArray[np.float64]:
        """The centre to score with, float64 (d,).

        Args:
            source_features: (n, d) of all source images after training.
        """
        if self._options.center in ("epoch", "batch"):
            return np.asarray(source_features.mean(axis=0))
        return np.asarray(self._center.double().cpu().numpy())

    @property
    def _live(self) -> bool:
        return self._options.training.batch_norm != "frozen"

    def _is_center_due(self, step: Step) -> bool:
        if not step.index:
            # The given centre is that of the pretrained statistics: live ones put the features
            # elsewhere, and a centre that is not theirs ranks no better than chance.
            return self._live
        return step.starts_epoch and self._options.center == "epoch"

    def _center_now(self, module: nn.Module) -> Tensor:
        """Mean of the source features, normalised as they are while training."""
        if not self._live:
            return one_class_center(torch.from_numpy(forward_all(module, self._source)))
        batches = max(1, len(self._source) // self._options.training.batch_source)
        with torch.no_grad():
            features = [self._features(module, 0.0).source.float() for _ in range(batches)]
        return one_class_center(torch.cat(features))

    def _moved_center(self, source: Tensor) -> Tensor:
        if self._options.center == "batch":
            return one_class_center(source)
        self._center = self._center.to(source)
        if self._options.center == "ema":
            self._center = _EMA * self._center + (1 - _EMA) * one_class_center(source)
        return self._center

    def _features(self, module: nn.Module, progress: float) -> Features:
        """Features of a freshly drawn batch."""
        parts, weights = self._draw_batch()
        device = next(module.parameters()).device
        sizes = [len(part) for part in parts]
        if self._options.training.batch_norm == "separate" and any(sizes[1:]):
            source = module(as_batch(parts[0], device))
            target = module(as_batch(np.concatenate(parts[1:]), device))
            dominant, others = torch.split(target, sizes[1:])
        else:
            # One pass for both domains: the same network in the same mode sees all of them.
            features = module(as_batch(np.concatenate(parts), device))
            source, dominant, others = torch.split(features, sizes)
        weights = None if weights is None else weights.to(device)
        return Features(source, dominant, others, weights, progress)

    def _draw_batch(self) -> tuple[list[Activations], Tensor | None]:
        options, partition = self._options, self.partition
        own = draw_rows(len(self._source), options.training.batch_source, self._generator)
        parts = [self._source[own]]
        if self._pool is None or partition is None:
            nothing = self._source[:0]
            return [*parts, nothing, nothing], None
        inside = draw_rows(len(partition.dominant), options.batch_dominant, self._generator)
        outside = draw_rows(len(partition.others), options.batch_others, self._generator)
        parts += [self._pool[partition.dominant[inside]], self._pool[partition.others[outside]]]
        if partition.weights is None:
            return parts, None
        return parts, torch.from_numpy(partition.weights[outside])


def draw_rows(n: int, quota: int, generator: torch.Generator) -> Rows:
    """Row numbers: without repeats where there are enough rows, with replacement otherwise."""
    if not n or not quota:
        return np.empty(0, dtype=np.intp)
    if n >= quota:
        picked = torch.randperm(n, generator=generator)[:quota]
    else:
        picked = torch.randint(n, (quota,), generator=generator)
    return picked.numpy().astype(np.intp)
