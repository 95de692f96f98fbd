"""What the density methods share: a shrunk Gaussian on frozen features."""

from __future__ import annotations

from abc import abstractmethod
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twofold.densities import Gaussian, Shrinkage, fit_trimmed, in_blocks, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.methods.base import FitData, Method, MethodConfig, Progress, Reference, folds

__all__ = ["DensityConfig", "DensityMethod"]

Array = NDArray[np.float64]

# Five folds leave 80% of the pool to each fit: close to the final one, and cheap from a warm start.
_FOLDS = 5


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
        self.model_, self.kept_ = fit_trimmed(
            self._source(data), _pool(data), trim=self.config.trim, shrinkage=self.config.shrinkage
        )

    def _score(self, images: EncodedImages) -> Array:
        return in_blocks(self.model_.squared_distances, power_normalise(images["pooled"]))

    def _reference(self, data: FitData, random_state: int) -> Reference:
        pool, source = _pool(data), self._source(data)
        scores = np.empty(len(pool))
        for fold in folds(len(pool), _FOLDS, random_state):
            # From the rows kept by the full fit, one concentration step settles what the missing
            # fold changes.
            model, _ = fit_trimmed(
                source,
                pool[~fold],
                trim=self.config.trim,
                shrinkage=self.config.shrinkage,
                start=self.kept_[~fold],
                max_iterations=1,
            )
            scores[fold] = in_blocks(model.squared_distances, pool[fold])
        return Reference(scores, "target")

    def _state(self) -> dict[str, NDArray[Any]]:
        return dict(self.model_.state())

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.model_ = Gaussian.from_state(state)
        dim, basis = self.encoder.spec.feature_dim, self.model_.basis
        if self.model_.mean.shape != (dim,) or basis.shape[1:] != (dim,) or len(basis) > dim:
            raise ValueError(
                f"expected {dim} dimensions, got {self.model_.mean.shape} and {basis.shape}"
            )
        if not self.model_.floor > 0 and len(basis) < dim:
            raise ValueError(f"the floor must be positive, not {self.model_.floor}")


def _pool(data: FitData) -> Array:
    assert data.target_pool is not None
    return power_normalise(data.target_pool["pooled"])
