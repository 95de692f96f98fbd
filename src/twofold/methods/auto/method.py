"""The recommended method: robust Gaussians on the moved source and the target's dominant mode."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from twofold.densities import Splits, majority, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.encoders.patches import patch_channels, patches_name
from twofold.encoders.scales import pooled_name
from twofold.encoders.sides import at_side
from twofold.eyes import fit_bank, top_mean
from twofold.methods.auto.mixture import Views
from twofold.methods.base import Diagnostics, FitData, Found, Method, OutOfSample, Progress
from twofold.methods.density import DensityConfig
from twofold.methods.progress import Steps
from twofold.methods.views.global_view import (
    GlobalFit,
    choose_global_weight,
    cross_fit_global,
    fit_global,
)
from twofold.methods.views.local_view import (
    FreeFit,
    LocalData,
    LocalFit,
    cross_fit_local,
    fit_local,
    local_scores,
)
from twofold.methods.views.maps import pool_map_scale
from twofold.methods.views.scale import scale_of
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
    # Side in pixels of the square in which patches see an image; None: the encoder's own.
    image_size: int | None = Field(default=None, ge=64, le=2048)
    # None: the stage maps of strides 8 and 16, or all an encoder has.
    layers: tuple[int, ...] | None = Field(default=None, min_length=1)
    # Of PatchCore: three places forgive a displacement by one.
    neighbourhood: int = Field(default=3, ge=1, le=15)
    # Surfaces without fixed places, such as cloth, want "shared"; all else is better with a place's
    # own Gaussian, by the likelihood of held-out normals and by AUROC (docs/local.md). "none" is
    # for structures that may lie anywhere: a bank of normal patches (docs/eyes.md).
    places: Literal["each", "shared", "none"] = "each"
    # None: by the likelihood of presumed normals that were held out.
    source_weight: float | None = Field(default=None, ge=0, le=1)
    # None: by how much the place explains of a patch.
    local_weight: float | None = Field(default=None, ge=0, le=1)

    def outputs(self) -> tuple[str, ...]:
        """Whole vectors, patches, or both."""
        whole, local = self.pooled(), (self.patches(),)
        return {"global": whole, "local": local}.get(self.locality, whole + local)

    def has_maps(self) -> bool:
        """Wherever it looks at patches."""
        return self.locality != "global"

    def pooled(self) -> tuple[str, ...]:
        """Names of the whole-image vectors, largest scale first."""
        return tuple(pooled_name(step) for step in range(self.scales))

    def patches(self) -> str:
        """Name of the patch features."""
        return at_side(patches_name(self.layers, self.neighbourhood), self.image_size)


class Auto(Method):
    """The paper's argument in closed form, for whole images and for patches.

    Scarcity: the pool's central 75% (the dominant mode, found by concentration steps on images) is
    presumed normal; a lesser group that a test shows to lie apart is none of it, as far as whole
    images go. Alignment: the source is moved onto that mode's mean, as a whole and at each
    place, so that any shift of the mean costs nothing. Compactness: one shrunk covariance over both
    says which deviations are usual. How much the source may say there is settled by the likelihood
    of presumed normals that were held out; for whole images half of the say stays with a source
    that counts in full. No training, no negatives.

    With ``locality="both"`` the two scores are standardised by the pool's own lower half and mixed;
    the local one's weight is how far a patch's place determines it (see
    :func:`twofold.eyes.place_weight`).
    """

    id = "auto"
    summary = "recommended: robust Gaussian on the moved source and the target's dominant mode"
    needs = frozenset({"target_pool"})
    revision = 4
    Config = AutoConfig
    config: AutoConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        config, pool = self.config, data.target_pool
        assert pool is not None
        tell = Steps(progress, 4 if config.locality == "both" else 2)
        views, choices, normal = Views(), dict[str, float](), dict[str, NDArray[np.bool_]]()
        whole = local = None
        if config.locality != "local":
            fit, whole = self._fit_whole(data.source, pool, random_state, tell)
            views = replace(views, whole=fit.view, whole_scale=scale_of(whole))
            choices |= {"global_source_weight": fit.weights[-1], "apart": fit.apart}
            normal |= dict(zip(("whole", "chosen"), fit.kept, strict=False))
        if config.locality != "global":
            fit_patches = self._fit_bank if config.places == "none" else self._fit_local
            found, distances = fit_patches(data.source, pool, random_state, tell)
            local = top_mean(distances)
            views = replace(
                views,
                local_weight=self._local_weight(found),
                local=found.model,
                local_scale=scale_of(local),
                maps=pool_map_scale(distances),
            )
            choices |= found.choices()
            normal["local"] = found.kept
        self.views_ = views
        choices["local_weight"] = views.local_weight
        # Two views are mixed on a logarithmic scale already.
        scale: ScoreScale = "linear" if config.locality == "both" else "log"
        own = OutOfSample(views.mix(whole, local), "target", pool.grouping(), scale)
        return Found(Diagnostics(choices, normal), own)

    def _fit_whole(
        self, source: EncodedImages, pool: EncodedImages, random_state: int, tell: Steps
    ) -> tuple[GlobalFit, Array]:
        """Fit the global view; and its cross-fitted scores of the pool."""
        config = self.config
        splits = Splits(_vectors(source, config), _vectors(pool, config), config.shrinkage)
        given = config.source_weight
        start = majority(splits.pool, trim=config.trim)
        weights = (
            choose_global_weight(splits, trim=config.trim, start=start, random_state=random_state)
            if given is None
            else (given,)
        )
        fit = fit_global(splits, trim=config.trim, start=start, weights=weights)
        tell.step()
        scores = cross_fit_global(fit, splits, pool.grouping(), random_state=random_state)
        tell.step()
        return fit, scores

    def _fit_local(
        self, source: EncodedImages, pool: EncodedImages, random_state: int, tell: Steps
    ) -> tuple[LocalFit, Array]:
        """Fit the local view at places; and the cross-fitted distances of the pool's patches."""
        config, name = self.config, self.config.patches()
        patches = LocalData.of(source[name], pool[name], shared=config.places == "shared")
        fit = fit_local(
            patches, trim=config.trim, source_weight=config.source_weight, random_state=random_state
        )
        tell.step()
        distances = cross_fit_local(fit, patches, pool.grouping(), random_state=random_state)
        tell.step()
        return fit, distances

    def _fit_bank(
        self, source: EncodedImages, pool: EncodedImages, random_state: int, tell: Steps
    ) -> tuple[FreeFit, Array]:
        """Fit the local view without places; distances to rows of other images."""
        config, name = self.config, self.config.patches()
        fit = fit_bank(
            None if config.source_weight == 0 else source[name],
            pool[name],
            pool.grouping(),
            trim=config.trim,
            random_state=random_state,
        )
        tell.step()
        tell.step()
        return FreeFit(fit.model, fit.kept), fit.distances

    def _local_weight(self, local: LocalFit | FreeFit) -> float:
        if self.config.locality != "both":
            return 1.0
        given = self.config.local_weight
        return local.local_weight if given is None else given

    def _score(self, images: EncodedImages) -> Array:
        views, whole, local = self.views_, None, None
        if views.whole is not None:
            whole = views.whole.scores(_vectors(images, self.config))
        if views.local is not None:
            local = local_scores(views.local, images[self.config.patches()])
        return views.mix(whole, local)

    def anomaly_map(self, images: EncodedImages) -> Array:
        """See :meth:`Method.anomaly_map`."""
        self._require_fitted()
        views = self.views_
        if views.local is None or views.maps is None:
            return super().anomaly_map(images)
        distances = views.local.squared_distances(images[self.config.patches()])
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
        channels = patch_channels(self.config.patches(), encoder)
        self.views_ = Views.from_state(
            state,
            dim=None if locality == "local" else encoder.spec.feature_dim,
            channels=None if locality == "global" else channels,
            free=self.config.places == "none",
        )


def _vectors(images: EncodedImages, config: AutoConfig) -> Array:
    """Normalised whole-image vectors, averaged over the scales, float64 (n, d).

    A scale counts by its area, so that every place of the encoder's maps counts alike.
    """
    vectors = [power_normalise(images[name]) for name in config.pooled()]
    areas = [2.0**-step for step in range(config.scales)]
    return np.asarray(np.average(vectors, axis=0, weights=areas))
