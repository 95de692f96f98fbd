"""What the trained methods share: Deep SVDD on the source, aligned with part of the target.

Variants differ only in which target images they call dominant and which they push away.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import Encoder
from twofold.errors import CollapseError
from twofold.losses import adaptation_objective, one_class_center, squared_distances
from twofold.methods.base import FitData, Method, MethodConfig, Progress, Reference, folds
from twofold.training import (
    StepLoss,
    TrainingConfig,
    as_batch,
    check_collapse,
    forward_all,
    local_generator,
    optimise,
)

__all__ = ["AdaptationConfig", "AdaptationMethod", "Partition"]

Array = NDArray[np.float64]
Rows = NDArray[np.intp]

# Each fold costs a training run, so there are as few as can be.
_FOLDS = 2


class AdaptationConfig(MethodConfig):
    """Options of eq. 10; none is stated in the paper, the defaults are `paper.md`'s."""

    training: TrainingConfig = TrainingConfig()
    lambda_ad: float = Field(default=1.0, ge=0)  # Weight of compactness, eq. 5.
    # Eq. 5 is a sum over d squared deviations, eq. 8 a logarithm of cosines: unscaled, compactness
    # outweighs alignment by hundreds and nothing is adapted. "initial" divides eq. 5 by its value
    # before training (no constant to tune, whatever the encoder), "dimension" by d (PANDA).
    ad_scale: Literal["initial", "dimension", "none"] = "initial"
    lambda_uda: float = Field(default=0.1, ge=0)  # Weight of alignment, eq. 8-9.
    temperature: float = Field(default=0.1, gt=0)  # tau of eq. 8.
    batch_dominant: int = Field(default=32, ge=1)
    # A quota: under scarcity a random batch often has no negative at all, and eq. 8 no value.
    batch_others: int = Field(default=16, ge=0)


@dataclass(frozen=True)
class Partition:
    """Rows of the target pool: those to align with and those to push away."""

    dominant: Rows
    others: Rows


class _Network(nn.Module):
    """The trainable end of the encoder, optionally followed by a bias-free linear head."""

    def __init__(self, encoder: Encoder, config: TrainingConfig) -> None:
        super().__init__()
        self.suffix = encoder.trainable_suffix(config.trainable)
        self.head: nn.Module = nn.Identity()
        if config.has_head:
            dim = encoder.spec.feature_dim
            # A bias would let the network reach the trivial constant solution (Ruff et al.).
            # The usual initialisation would draw from torch's global generator.
            layer: nn.Linear = nn.utils.skip_init(nn.Linear, dim, dim, bias=False)  # type: ignore[no-untyped-call]
            nn.init.eye_(layer.weight)
            self.head = layer

    def forward(self, activations: Tensor) -> Tensor:
        features: Tensor = self.head(self.suffix(activations))
        return features


class AdaptationMethod(Method):
    """Trains by eq. 10 and scores by the squared distance to the source's centre."""

    Config = AdaptationConfig
    config: AdaptationConfig

    @classmethod
    def outputs(cls, config: MethodConfig) -> tuple[str, ...]:
        """The activations that enter the trained part, and the frozen vectors."""
        assert isinstance(config, AdaptationConfig)
        return tuple(dict.fromkeys(("pooled", _split(config))))

    @abstractmethod
    def _partition(self, data: FitData, random_state: int) -> Partition | None:
        """Which target rows to align with; None trains on the source alone (eq. 5)."""

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> None:
        split = _split(self.config)
        source = data.source[split]
        pool = None if data.target_pool is None else data.target_pool[split]
        self.partition_ = self._partition(data, random_state)
        network = _Network(self.encoder, self.config.training).eval()
        before = forward_all(network, source)
        center = one_class_center(torch.from_numpy(before)).float()
        self.log_ = optimise(
            network,
            self._step_loss(
                source, pool, self.partition_, center, self._lambda_ad(before), random_state
            ),
            self.config.training,
            steps_per_epoch=max(1, len(source) // self.config.training.batch_source),
            progress=progress,
        )
        check_collapse(before, forward_all(network, source))
        self.network_, self.center_ = network, center.double().numpy()

    def _lambda_ad(self, before: Array) -> float:
        """The weight of eq. 5 on the scale of ``ad_scale``; ``before``: source features (n, d)."""
        if self.config.ad_scale == "none":
            return self.config.lambda_ad
        if self.config.ad_scale == "dimension":
            return self.config.lambda_ad / float(before.shape[1])
        spread = float(before.var(axis=0).sum())
        if spread <= 0:
            raise CollapseError("all source images have the same features: nothing to train on")
        return self.config.lambda_ad / spread

    def _step_loss(
        self,
        source: NDArray[np.float32],
        pool: NDArray[np.float32] | None,
        partition: Partition | None,
        center: Tensor,
        lambda_ad: float,
        random_state: int,
    ) -> StepLoss:
        config = self.config
        generator = local_generator(random_state)
        quotas = (
            (np.arange(len(source)), config.training.batch_source),
            (np.empty(0, int) if partition is None else partition.dominant, config.batch_dominant),
            (np.empty(0, int) if partition is None else partition.others, config.batch_others),
        )

        def step(module: nn.Module) -> Tensor:
            drawn = [_draw(rows, quota, generator) for rows, quota in quotas]
            parts = [source[drawn[0]]]
            if pool is not None:
                parts += [pool[drawn[1]], pool[drawn[2]]]
            device = next(module.parameters()).device
            # One pass for both domains: the same network in the same mode sees all of them.
            features = module(as_batch(np.concatenate(parts), device))
            near, dominant, others = torch.split(features, [len(rows) for rows in drawn])
            return adaptation_objective(
                near,
                dominant,
                others,
                center.to(device),
                lambda_ad=lambda_ad,
                lambda_uda=config.lambda_uda,
                temperature=config.temperature,
            )

        return step

    def _score(self, images: EncodedImages) -> Array:
        features = forward_all(self.network_, images[_split(self.config)])
        distances = squared_distances(torch.from_numpy(features), torch.from_numpy(self.center_))
        return np.asarray(distances.numpy(), dtype=np.float64)

    def _reference(self, data: FitData, random_state: int) -> Reference:
        name = "source" if data.target_pool is None else "target_pool"
        images: EncodedImages = getattr(data, name)
        scores = np.empty(len(images))
        for fold in folds(len(images), _FOLDS, random_state):
            other = type(self)(self.encoder, self.config)
            other.fit(_without(data, name, fold), random_state=random_state)
            scores[fold] = other.score(images.subset(fold))
        return Reference(scores, "source" if name == "source" else "target")

    def _state(self) -> dict[str, NDArray[Any]]:
        weights = self.network_.state_dict()
        return {"center": self.center_} | {
            f"network.{name}": tensor.detach().cpu().contiguous().numpy()
            for name, tensor in weights.items()
        }

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.center_ = state.pop("center")
        network = _Network(self.encoder, self.config.training)
        network.load_state_dict(
            {k.removeprefix("network."): torch.from_numpy(v) for k, v in state.items()}
        )
        self.network_ = network.eval()
        if self.center_.shape != (self.encoder.spec.feature_dim,):
            raise ValueError(f"center has shape {self.center_.shape}")


def _split(config: AdaptationConfig) -> str:
    trainable = config.training.trainable
    # What enters a head is the pooled vector, which the cache most likely has.
    return "pooled" if trainable == "head" else f"split:{trainable}"


def _draw(rows: Rows, quota: int, generator: torch.Generator) -> Rows:
    """A batch: without repeats where there are enough rows, with replacement otherwise."""
    if not len(rows) or not quota:
        return rows[:0]
    if len(rows) >= quota:
        picked = torch.randperm(len(rows), generator=generator)[:quota]
    else:
        picked = torch.randint(len(rows), (quota,), generator=generator)
    return np.asarray(rows[picked.numpy()])


def _without(data: FitData, name: str, fold: NDArray[np.bool_]) -> FitData:
    """The same data without the rows of ``fold`` in ``name``."""
    changes: dict[str, Any] = {name: getattr(data, name).subset(~fold)}
    if name == "target_pool" and data.target_labels is not None:
        changes["target_labels"] = data.target_labels[~fold]
    return replace(data, **changes)
