"""With the pool's true labels: what perfect selection or plain supervision would give."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn.functional import binary_cross_entropy_with_logits

from twofold.encoders.encode import EncodedImages
from twofold.errors import NotEnoughImagesError
from twofold.methods.arrays import load_arrays, module_arrays
from twofold.methods.base import Diagnostics, FitData, Found, Progress
from twofold.paper.adaptation import AdaptationMethod
from twofold.paper.network import AdaptedNetwork
from twofold.paper.options import AdaptationConfig
from twofold.selection import Partition
from twofold.training import Step, as_batch, forward_all, local_generator, optimise

__all__ = ["Oracle", "OracleConfig"]

Array = NDArray[np.float64]


class OracleConfig(AdaptationConfig):
    """The paper's oracle is "supervised" and otherwise undefined; these are two readings."""

    # "align": eq. 10 with the true partition. "classifier": a linear logit trained with balanced
    # binary cross-entropy on the labelled pool.
    mode: Literal["align", "classifier"] = "align"
    debias: float = Field(default=0.0, ge=0, lt=1)  # No normal image is among its negatives.


class _Classifier(nn.Module):
    """The network with one logit on top."""

    def __init__(self, network: AdaptedNetwork) -> None:
        super().__init__()
        self.network = network
        # From zero, where no class is preferred: the problem in the head is convex.
        self.head = nn.utils.skip_init(nn.Linear, network.dim, 1)  # type: ignore[no-untyped-call]
        nn.init.zeros_(self.head.weight)
        nn.init.zeros_(self.head.bias)

    def forward(self, activations: Tensor) -> Tensor:
        logits: Tensor = self.head(self.network(activations))
        return logits


class Oracle(AdaptationMethod):
    """What selection without a mistake would give; it is no upper bound for other objectives.

    The labels are those of the pool, never of test images.
    """

    id = "oracle"
    summary = "uses target labels: the paper's objective with the true normals and anomalies"
    needs = frozenset({"target_pool", "target_labels"})
    Config = OracleConfig
    config: OracleConfig

    def _partition(
        self, data: FitData, features: Callable[[], Array], random_state: int
    ) -> Partition:
        del features, random_state
        assert data.target_labels is not None
        return Partition(
            np.flatnonzero(data.target_labels == 0), np.flatnonzero(data.target_labels)
        )

    @property
    def _classifies(self) -> bool:
        return self.config.mode == "classifier"

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        if not self._classifies:
            return super()._fit(data, random_state, progress)
        pool = self._target(data, random_state)
        parts = self._partition(data, lambda: np.empty(0), random_state)
        assert pool is not None
        if not len(parts.dominant) or not len(parts.others):
            raise NotEnoughImagesError(
                "a classifier needs normal and anomalous target images, got "
                f"{len(parts.dominant)} and {len(parts.others)}"
            )
        generator = local_generator(random_state)
        self.classifier_ = _Classifier(self._network(generator)).eval()
        batch = self.config.training.batch_source
        log = optimise(
            self.classifier_,
            _balanced_loss(pool[parts.dominant], pool[parts.others], batch, generator),
            self.config.training,
            steps_per_epoch=max(1, len(pool) // batch),
            progress=progress,
        )
        return Found(Diagnostics.of_training(log.losses, log.steps))

    def _score(self, images: EncodedImages) -> Array:
        if not self._classifies:
            return super()._score(images)
        return forward_all(self.classifier_, images[self.config.split()])[:, 0]

    def _state(self) -> dict[str, NDArray[Any]]:
        if not self._classifies:
            return super()._state()
        return module_arrays(self.classifier_, "")

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        if not self._classifies:
            super()._restore(state)
            return
        self.classifier_ = _Classifier(self._network()).eval()
        load_arrays(self.classifier_, state, "")


def _balanced_loss(
    normal: NDArray[np.float32],
    anomalous: NDArray[np.float32],
    batch: int,
    generator: torch.Generator,
) -> Callable[[nn.Module, Step], Tensor]:
    """Binary cross-entropy on batches that are half normal, half anomalous, with replacement."""

    def loss(module: nn.Module, step: Step) -> Tensor:
        del step
        half = max(1, batch // 2)
        rows = [
            part[torch.randint(len(part), (half,), generator=generator).numpy()]
            for part in (normal, anomalous)
        ]
        device = next(module.parameters()).device
        logits = module(as_batch(np.concatenate(rows), device)).squeeze(1)
        truth = torch.arange(2 * half, device=device) >= half
        return binary_cross_entropy_with_logits(logits.float(), truth.float())

    return loss
