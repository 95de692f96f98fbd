"""A robust detector fitted on the unlabelled target alone: the rival to beat."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Gaussian, Splits, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.methods._density import DensityConfig, check_gaussian
from twofold.methods._global_view import GlobalView, cross_fit_global, fit_global
from twofold.methods.base import FitData, Method, Progress, Reference

__all__ = ["TargetOnly"]

Array = NDArray[np.float64]


class TargetOnly(Method):
    """A trimmed, shrunk Gaussian on the target pool; the source is not looked at."""

    id = "target_only"
    summary = "robust Gaussian on the unlabelled target alone; ignores the source"

    Config = DensityConfig
    config: DensityConfig
    needs = frozenset({"target_pool"})

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> None:
        del random_state, progress
        self.view_ = fit_global(_splits(data, self.config), trim=self.config.trim)

    def _score(self, images: EncodedImages) -> Array:
        return self.view_.scores(power_normalise(images["pooled"]))

    def _reference(self, data: FitData, random_state: int) -> Reference:
        assert data.target_pool is not None
        scores = cross_fit_global(
            self.view_,
            _splits(data, self.config),
            data.target_pool.grouping(),
            random_state=random_state,
        )
        return Reference(scores, "target", data.target_pool.grouping(), "log")

    def _state(self) -> dict[str, NDArray[Any]]:
        return dict(self.view_.models[0].state())

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        model = Gaussian.from_state(state)
        check_gaussian(model, self.encoder.spec.feature_dim)
        self.view_ = GlobalView((model,), (1.0,), ())


def _splits(data: FitData, config: DensityConfig) -> Splits:
    assert data.target_pool is not None
    return Splits(None, power_normalise(data.target_pool["pooled"]), config.shrinkage)
