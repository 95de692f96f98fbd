"""What the trained methods share: Deep SVDD on the source, aligned with part of the target.

Variants differ only in which target images they call dominant and which they push away.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.errors import CollapseError
from twofold.losses import one_class_center, squared_distances
from twofold.methods.arrays import load_arrays, module_arrays
from twofold.methods.base import Diagnostics, FitData, Found, Method, OutOfSample, Progress, folds
from twofold.methods.rows import HALVES
from twofold.paper.alignment import make_alignment
from twofold.paper.network import AdaptedNetwork, Trainee
from twofold.paper.objective import Objective
from twofold.paper.options import AdaptationConfig
from twofold.selection import Partition
from twofold.thresholds import Origin
from twofold.training import (
    check_collapse,
    forward_all,
    local_generator,
    optimise,
)

__all__ = ["AdaptationMethod"]

Array = NDArray[np.float64]


class AdaptationMethod(Method):
    """Trains by eq. 10 and scores by the squared distance to the source's centre."""

    Config = AdaptationConfig
    config: AdaptationConfig

    @abstractmethod
    def _partition(
        self, data: FitData, features: Callable[[], Array], random_state: int
    ) -> Partition | None:
        """Which target rows to align with; None trains on the source alone (eq. 5).

        ``features`` computes the pool's vectors under the network as it is by now, (n, d).
        """

    def _partition_follows(self) -> bool:
        """Whether :meth:`_partition` is asked again before each epoch."""
        return False

    def _target(self, data: FitData, random_state: int) -> NDArray[np.float32] | None:
        """Activations of the target images that the partition's rows mean."""
        del random_state
        return None if data.target_pool is None else data.target_pool[self.config.split()]

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        source, pool = data.source[self.config.split()], self._target(data, random_state)
        generator = local_generator(random_state)
        network = self._network(generator).eval()
        before = forward_all(network, source)

        def features() -> Array:
            assert pool is not None
            return forward_all(network, pool)

        objective = Objective(
            self.config,
            source=source,
            pool=pool,
            partition=lambda: self._partition(data, features, random_state),
            each_epoch=self._partition_follows(),
            center=one_class_center(torch.from_numpy(before)).float(),
            lambda_ad=self._lambda_ad(before),
            generator=generator,
        )
        alignment = make_alignment(self.config, network.dim, generator)

        def ready() -> Array:
            after = forward_all(network, source)
            self.network_, self.center_ = network, objective.final_center(after)
            return after

        log = optimise(
            Trainee(network, alignment),
            objective,
            self.config.training,
            steps_per_epoch=max(1, len(source) // self.config.training.batch_source),
            progress=progress,
            after_epoch=self._watched(ready),
        )
        check_collapse(before, ready())
        return Found(Diagnostics.of_training(log.losses, log.steps, objective.partition))

    def _network(self, generator: torch.Generator | None = None) -> AdaptedNetwork:
        return AdaptedNetwork(
            self.encoder, self.config.training, self.config.geometry, generator=generator
        )

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

    def _score(self, images: EncodedImages) -> Array:
        features = forward_all(self.network_, images[self.config.split()])
        distances = squared_distances(torch.from_numpy(features), torch.from_numpy(self.center_))
        return np.asarray(distances.numpy(), dtype=np.float64)

    def _cross_fit(self, data: FitData, random_state: int) -> OutOfSample:
        name = "source" if data.target_pool is None else "target_pool"
        images: EncodedImages = getattr(data, name)
        scores = np.empty(len(images))
        for fold in folds(images.grouping(), HALVES, random_state, data.target_labels):
            rest = _without(data, name, fold)
            other = type(self)(self.encoder, self.config).fit(rest, random_state=random_state).model
            # Two trainings end at two scales; images that both have seen tell how they compare.
            seen = images.subset(~fold)
            mine, others = (float(np.median(fit._score(seen))) for fit in (self, other))
            scores[fold] = other.score(images.subset(fold)) * (mine / others if others > 0 else 1.0)
        origin: Origin = "source" if name == "source" else "target"
        return OutOfSample(scores, origin, images.grouping(), "log")

    def _state(self) -> dict[str, NDArray[Any]]:
        return {"center": self.center_} | module_arrays(self.network_, "network.")

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.center_ = state.pop("center")
        network = self._network()
        load_arrays(network, state, "network.")
        self.network_ = network.eval()
        if self.center_.shape != (network.dim,):
            raise ValueError(f"center has shape {self.center_.shape}")


def _without(data: FitData, name: str, fold: NDArray[np.bool_]) -> FitData:
    """The same data without the rows of ``fold`` in ``name``."""
    changes: dict[str, Any] = {name: getattr(data, name).subset(~fold)}
    if name == "target_pool":
        if data.target_labels is not None:
            changes["target_labels"] = data.target_labels[~fold]
        if data.target_selection is not None:
            changes["target_selection"] = data.target_selection.subset(~fold)
    return replace(data, **changes)
