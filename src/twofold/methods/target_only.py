"""A robust detector fitted on the unlabelled target alone: the rival to beat."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.densities import Gaussian, Splits, majority, normalised, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.methods.base import Diagnostics, FitData, Found, Method, OutOfSample, Progress
from twofold.methods.density import DensityConfig, WholeConfig, check_gaussian
from twofold.methods.views.global_view import GlobalView, cross_fit_global, fit_global

if TYPE_CHECKING:
    from twofold.methods import whole_graphs
    from twofold.methods.graphs import Judge, Places
else:
    whole_graphs = deferred("twofold.methods.whole_graphs")

__all__ = ["TargetOnly", "TargetOnlyConfig"]

Array = NDArray[np.float64]


class TargetOnlyConfig(DensityConfig, WholeConfig):
    """How the Gaussian is fitted, and to which vectors."""


class TargetOnly(Method):
    """A trimmed, shrunk Gaussian on the target pool; the source is not looked at."""

    id = "target_only"
    summary = "robust Gaussian on the unlabelled target alone; ignores the source"

    Config = TargetOnlyConfig
    config: TargetOnlyConfig
    needs = frozenset({"target_pool"})
    revision = 2

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        del progress
        pool = data.pool
        vectors = normalised(pool.rows(self.config.vectors()), power_normalise)
        splits = Splits(None, vectors, self.config.shrinkage, data.known_rows())
        fit = fit_global(
            splits, trim=self.config.trim, start=majority(splits.pool, trim=self.config.trim)
        )
        (self.model_,) = fit.view.models
        scores = cross_fit_global(fit, splits, pool.grouping(), random_state=random_state)
        own = OutOfSample(scores, "target", pool.grouping(), "log")
        return Found(Diagnostics(presumed_normal={"whole": fit.kept[0]}), own)

    def _score(self, images: EncodedImages) -> Array:
        vectors = normalised(images.rows(self.config.vectors()), power_normalise)
        return GlobalView((self.model_,)).scores(vectors)

    def graph(self, places: Mapping[str, Places]) -> Judge:
        """See :meth:`Method.graph`."""
        del places
        self._require_fitted()
        return whole_graphs.TargetOnlyJudge(self.model_, self.config.vectors())

    def _state(self) -> dict[str, NDArray[Any]]:
        return dict(self.model_.state())

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.model_ = Gaussian.from_state(state)
        check_gaussian(self.model_, self.encoder.spec.feature_dim)
