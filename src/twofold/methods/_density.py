"""What the density methods share: a shrunk Gaussian on frozen features."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twofold.densities import Gaussian, Shrinkage, in_blocks, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.methods._views import GlobalView, cross_fit_global, fit_global
from twofold.methods.base import FitData, Method, MethodConfig, Progress, Reference

__all__ = ["DensityConfig", "DensityMethod", "check_gaussian"]

Array = NDArray[np.float64]


class DensityConfig(MethodConfig):
    """Options of the density methods."""

    # FAST-MCD's usual compromise: a quarter of the pool may be anomalous before the fit breaks
    # down, at little loss of precision when none is (Hubert & Debruyne 2010).
    trim: float = Field(default=0.25, ge=0, le=0.5)
    # Ledoit-Wolf makes no assumption on the distribution; OAS assumes a Gaussian.
    shrinkage: Shrinkage = "ledoit_wolf"


class DensityMethod(Method):
    """A robust Gaussian on the target pool; subclasses say whether the source joins in."""

    Config = DensityConfig
    config: DensityConfig
    needs = frozenset({"target_pool"})

    @abstractmethod
    def _source(self, data: FitData) -> Array | None:
        """Source features that take part in the fit, or None."""

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> None:
        del random_state, progress
        view = fit_global(
            self._source(data), _pool(data), trim=self.config.trim, shrinkage=self.config.shrinkage
        )
        self.model_, self.kept_ = view.model, view.kept

    def _score(self, images: EncodedImages) -> Array:
        return in_blocks(self.model_.squared_distances, power_normalise(images["pooled"]))

    def _reference(self, data: FitData, random_state: int) -> Reference:
        scores = cross_fit_global(
            GlobalView(self.model_, self.kept_),
            self._source(data),
            _pool(data),
            trim=self.config.trim,
            shrinkage=self.config.shrinkage,
            random_state=random_state,
        )
        return Reference(scores, "target")

    def _state(self) -> dict[str, NDArray[Any]]:
        return dict(self.model_.state())

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.model_ = Gaussian.from_state(state)
        check_gaussian(self.model_, self.encoder.spec.feature_dim)


def check_gaussian(model: Gaussian, dim: int) -> None:
    """Refuse arrays that are not a Gaussian of so many dimensions.

    Raises:
        ValueError: they are not.
    """
    if model.mean.shape != (dim,) or model.basis.shape[1:] != (dim,) or len(model.basis) > dim:
        raise ValueError(
            f"expected {dim} dimensions, got {model.mean.shape} and {model.basis.shape}"
        )
    if not model.floor > 0 and len(model.basis) < dim:
        raise ValueError(f"the floor must be positive, not {model.floor}")


def _pool(data: FitData) -> Array:
    assert data.target_pool is not None
    return power_normalise(data.target_pool["pooled"])
