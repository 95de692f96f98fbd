"""PaDiM: one Gaussian at each place of a grid of patch features."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twofold.deferred import deferred
from twofold.errors import NotEnoughImagesError
from twofold.eyes import (
    PatchGaussians,
    as_places,
    filled,
    fit_patch_gaussians,
    judged_places,
    oddest_mean,
    patch_moments,
)
from twofold.methods.patch_methods.base import PatchConfig, PatchMethod

if TYPE_CHECKING:
    from twofold.methods.graphs import Judge, Places
    from twofold.methods.patch_methods import graph
else:
    graph = deferred("twofold.methods.patch_methods.graph")

__all__ = ["Padim", "PadimConfig"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


class PadimConfig(PatchConfig):
    """Options of the Gaussians."""

    # PaDiM adds 0.01 to each variance, in units of a ResNet's activations. Here it is a share of
    # the mean variance, so that it means the same for every encoder.
    regularisation: float = Field(default=0.01, gt=0)


@dataclass(frozen=True)
class _Gaussians:
    """A :class:`PatchModel`; scores are the largest squared Mahalanobis distances."""

    model: PatchGaussians

    def distances(self, patches: Floats, looked_at: Mask | None = None) -> Array:
        return self.model.squared_distances(patches, looked_at)

    def scores(self, patches: Floats, looked_at: Mask | None = None) -> Array:
        return oddest_mean(self.model, patches, 1, looked_at)

    def both(self, patches: Floats, looked_at: Mask | None = None) -> tuple[Array, Array]:
        distances = self.distances(patches, looked_at)
        return np.asarray(distances.max(axis=1)), distances

    def state(self) -> dict[str, NDArray[Any]]:
        return dict(self.model.state())


class Padim(PatchMethod):
    """PaDiM (Defard et al. 2020, "PaDiM: a patch distribution modeling framework", eq. 1 and 2).

    The mean and the full covariance of the patches at each place, and nothing left out. An image's
    score is its largest patch distance, squared: the root that the paper takes changes no order.

    Departures: channels are those of the encoder's patch grid rather than a random choice of 100 or
    550; what is added to the covariance is relative (option ``regularisation``); the covariance is
    divided by n rather than n - 1, which scales all distances alike; scores are of the patches
    themselves, not of maps enlarged and blurred by sigma 4.

    Cost O(n p c^2 + p c^3) time for n images of p places and c channels, ``4 p c (c + 1)`` bytes.
    """

    id = "padim"
    summary = "PaDiM: a Gaussian at each place of a grid of patch features; anomaly maps"
    Config = PadimConfig
    config: PadimConfig
    model_: _Gaussians

    def graph(self, places: Mapping[str, Places]) -> Judge:
        """See :meth:`Method.graph`."""
        self._require_fitted()
        name = self.config.patches()
        return graph.PadimJudge(self.model_.model, self.maps_, name, places[name])

    def _model(self, patches: Floats, random_state: int, looked_at: Mask | None) -> _Gaussians:
        del random_state
        places = as_places(patches)
        if looked_at is None:
            return _Gaussians(self._gaussians(places))
        judged = judged_places(looked_at)
        if not judged.any():
            raise NotEnoughImagesError("masks: no place is shown by at least 2 images")
        places = filled(places[judged], looked_at[:, judged])
        return _Gaussians(self._gaussians(places).at(judged))

    def _gaussians(self, places: Floats) -> PatchGaussians:
        regularisation = self.config.regularisation
        return fit_patch_gaussians(patch_moments(places), regularisation=regularisation)

    def _model_from(self, state: dict[str, NDArray[Any]], channels: int) -> _Gaussians:
        return _Gaussians(PatchGaussians.from_state(state, channels))
