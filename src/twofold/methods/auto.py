"""The recommended method: robust Gaussians on the moved source and the target's dominant mode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twofold.densities import Splits, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.encoders.patches import patch_channels, patches_name
from twofold.encoders.scales import pooled_name
from twofold.methods._density import DensityConfig
from twofold.methods._global_view import choose_global_weight, cross_fit_global, fit_global
from twofold.methods._maps import pool_map_scale
from twofold.methods._mixture import Steps, Views
from twofold.methods._outside import Outside, identity
from twofold.methods._views import (
    LocalData,
    LocalView,
    cross_fit_local,
    fit_local,
    scale_of,
)
from twofold.methods.base import FitData, Method, Progress, Reference
from twofold.thresholds import ScoreScale

__all__ = ["Auto", "AutoConfig"]

Array = NDArray[np.float64]
Locality = Literal["global", "local", "both"]


class AutoConfig(DensityConfig):
    """What `auto` looks at; the rest it settles itself, without labels."""

    # Nobody knows beforehand whether anomalies are other things or flaws of the same thing.
    locality: Locality = "both"
    # Sizes at which whole images are seen, half an octave apart. The encoder was trained on things
    # that fill the picture more or less; one that is drawn in few lines it knows better smaller.
    scales: int = Field(default=2, ge=1, le=3)
    # None: the stage maps of strides 8 and 16, or all an encoder has.
    layers: tuple[int, ...] | None = Field(default=None, min_length=1)
    # Of PatchCore: three places forgive a displacement by one.
    neighbourhood: int = Field(default=3, ge=1, le=15)
    # Surfaces without fixed places, such as cloth, want "shared"; all else is better with a place's
    # own Gaussian, by the likelihood of held-out normals and by AUROC (docs/local.md).
    places: Literal["each", "shared"] = "each"
    # None: by the likelihood of presumed normals that were held out.
    source_weight: float | None = Field(default=None, ge=0, le=1)
    # None: by how much the place explains of a patch.
    local_weight: float | None = Field(default=None, ge=0, le=1)


class Auto(Method):
    """The paper's argument in closed form, for whole images and for patches.

    Scarcity: the pool's central 75% (the dominant mode, found by concentration steps on images) is
    presumed normal. Alignment: the source is moved onto that mode's mean, as a whole and at each
    place, so that any shift of the mean costs nothing. Compactness: one shrunk covariance over both
    says which deviations are usual. How much the source may say there is settled by the likelihood
    of presumed normals that were held out; for whole images half of the say stays with a source
    that counts in full. No training, no negatives.

    With ``locality="both"`` the two scores are standardised by the pool's own lower half and mixed;
    the local one's weight is how far a patch's place determines it (see
    :func:`twofold.patches.place_weight`).
    """

    id = "auto"
    summary = "recommended: robust Gaussian on the moved source and the target's dominant mode"
    needs = frozenset({"target_pool"})
    revision = 3
    Config = AutoConfig
    config: AutoConfig
    _outside: Outside[tuple[Array | None, Array | None]] | None = None

    @classmethod
    def outputs(cls, config: Any) -> tuple[str, ...]:
        """Whole vectors, patches, or both."""
        whole, local = _pooled(config), (_patches(config),)
        return {"global": whole, "local": local}.get(config.locality, whole + local)

    @classmethod
    def has_maps(cls, config: Any) -> bool:
        """Wherever it looks at patches."""
        return bool(config.locality != "global")

    def choices(self) -> dict[str, float]:
        """The views' weight and each view's weight of the source, as settled in the fit."""
        return self.views_.choices()

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> None:
        tell = Steps(progress, 4 if self.config.locality == "both" else 2)
        self.views_, whole, local = Views(), None, None
        if self.config.locality != "local":
            whole = self._fit_whole(data, random_state, tell)
        if self.config.locality != "global":
            local = self._fit_local(data, random_state, tell)
        self.views_ = replace(self.views_, weight=self._weight(self.views_.local))
        assert data.target_pool is not None
        known = identity(data.source, data.target_pool)
        # The threshold asks for the same scores next.
        self._outside = Outside((whole, local), known, random_state)

    def _fit_whole(self, data: FitData, random_state: int, tell: Steps) -> Array:
        """Fit the global view; its cross-fitted scores of the pool."""
        config, pool = self.config, data.target_pool
        assert pool is not None
        near, far = (_vectors(images, config) for images in (data.source, pool))
        splits, given = Splits(near, far, config.shrinkage), config.source_weight
        weights = (
            choose_global_weight(splits, trim=config.trim, random_state=random_state)
            if given is None
            else (given,)
        )
        view = fit_global(splits, trim=config.trim, weights=weights)
        tell.step()
        scores = cross_fit_global(view, splits, pool.grouping(), random_state=random_state)
        tell.step()
        self.views_ = replace(self.views_, whole=view, whole_scale=scale_of(scores))
        return scores

    def _fit_local(self, data: FitData, random_state: int, tell: Steps) -> Array:
        """Likewise the local view."""
        config, pool = self.config, data.target_pool
        assert pool is not None
        name = _patches(config)
        patches = LocalData.of(data.source[name], pool[name], shared=config.places == "shared")
        view = fit_local(
            patches, trim=config.trim, source_weight=config.source_weight, random_state=random_state
        )
        tell.step()
        scores, distances = cross_fit_local(
            view, patches, pool.grouping(), random_state=random_state
        )
        tell.step()
        maps = pool_map_scale(distances)
        self.views_ = replace(self.views_, local=view, local_scale=scale_of(scores), maps=maps)
        return scores

    def _weight(self, local: LocalView | None) -> float:
        if local is None or self.config.locality != "both":
            return float(local is not None)
        given = self.config.local_weight
        return local.weight if given is None else given

    def _score(self, images: EncodedImages) -> Array:
        views, whole, local = self.views_, None, None
        if views.whole is not None:
            whole = views.whole.scores(_vectors(images, self.config))
        if views.local is not None:
            local = views.local.scores(images[_patches(self.config)])
        return views.mix(whole, local)

    def _seen_scores(self, data: FitData) -> Array:
        """Out of sample, as they are at hand."""
        del data
        assert self._outside is not None
        return self.views_.mix(*self._outside.scores)

    def _reference(self, data: FitData, random_state: int) -> Reference:
        outside, pool = self._outside, data.target_pool
        assert pool is not None
        if outside is None or not outside.are_of(identity(data.source, pool), random_state):
            twin = Auto(self.encoder, self.config)
            twin._fit(data, random_state, None)
            outside = twin._outside
            assert outside is not None
        # Two views are mixed on a logarithmic scale already.
        scale: ScoreScale = "linear" if self.config.locality == "both" else "log"
        return Reference(self.views_.mix(*outside.scores), "target", pool.grouping(), scale)

    def anomaly_map(self, images: EncodedImages) -> Array:
        """See :meth:`Method.anomaly_map`."""
        self._require_fitted()
        views = self.views_
        if views.local is None or views.maps is None:
            return super().anomaly_map(images)
        distances = views.local.model.squared_distances(images[_patches(self.config)])
        return views.maps.standardise(distances)

    def map_range(self) -> tuple[float, float]:
        """See :meth:`Method.map_range`."""
        self._require_fitted()
        maps = self.views_.maps
        return super().map_range() if maps is None else (maps.low, maps.high)

    def _state(self) -> dict[str, NDArray[Any]]:
        return self.views_.state() | {"scales": np.array([self.config.scales])}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        locality, encoder = self.config.locality, self.encoder
        # The vectors of another number of scales have the same shape.
        if int(state["scales"].item()) != self.config.scales:
            raise ValueError(f"{state['scales'].item()} scales in the arrays")
        channels = patch_channels(_patches(self.config), encoder)
        self.views_ = Views.of(
            state,
            dim=None if locality == "local" else encoder.spec.feature_dim,
            channels=None if locality == "global" else channels,
        )


def _pooled(config: AutoConfig) -> tuple[str, ...]:
    return tuple(pooled_name(step) for step in range(config.scales))


def _vectors(images: EncodedImages, config: AutoConfig) -> Array:
    """Normalised whole-image vectors, averaged over the scales, float64 (n, d).

    A scale counts by its area, so that every place of the encoder's maps counts alike.
    """
    vectors = [power_normalise(images[name]) for name in _pooled(config)]
    areas = [2.0**-step for step in range(config.scales)]
    return np.asarray(np.average(vectors, axis=0, weights=areas))


def _patches(config: AutoConfig) -> str:
    return patches_name(config.layers, config.neighbourhood)
