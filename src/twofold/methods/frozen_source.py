"""The frozen encoder as a detector: distance to the source's mean, no adaptation."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import unit_rows
from twofold.encoders.encode import EncodedImages
from twofold.methods.base import FitData, Method, Progress, Reference, folds

__all__ = ["FrozenSource"]

_FOLDS = 5


class FrozenSource(Method):
    """Squared distance of the L2-normalised vector to the source normals' mean (Table 4)."""

    id = "frozen_source"
    summary = "distance to the source mean in the frozen encoder's space; no adaptation"

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> None:
        del random_state, progress
        self.center_ = unit_rows(data.source["pooled"]).mean(axis=0)

    def _score(self, images: EncodedImages) -> NDArray[np.float64]:
        return _distances(unit_rows(images["pooled"]), self.center_)

    def _reference(self, data: FitData, random_state: int) -> Reference:
        rows = unit_rows(data.source["pooled"])
        scores = np.empty(len(rows))
        for fold in folds(len(rows), _FOLDS, random_state):
            scores[fold] = _distances(rows[fold], rows[~fold].mean(axis=0))
        return Reference(scores, "source")

    def _state(self) -> dict[str, NDArray[Any]]:
        return {"center": self.center_}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.center_ = state["center"]
        if self.center_.shape != (self.encoder.spec.feature_dim,):
            raise ValueError(f"center has shape {self.center_.shape}")


def _distances(rows: NDArray[np.float64], center: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.square(rows - center).sum(axis=1))
