"""The recommended method: robust Gaussians on the moved source and the target's dominant mode."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.encoders.encode import EncodedImages
from twofold.encoders.patches import patch_channels
from twofold.eyes import RegionScale
from twofold.methods.auto.choice import settle
from twofold.methods.auto.config import AutoConfig
from twofold.methods.auto.mixture import Views
from twofold.methods.auto.size import chosen_size, places_agree
from twofold.methods.auto.way import Way, fit_way
from twofold.methods.base import Diagnostics, FitData, Found, Method, Progress
from twofold.methods.progress import Steps

if TYPE_CHECKING:
    from twofold.methods.auto import graph
    from twofold.methods.graphs import Judge, Places
else:
    graph = deferred("twofold.methods.auto.graph")

__all__ = ["Auto", "AutoConfig"]

Array = NDArray[np.float64]


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
    revision = 6
    Config = AutoConfig
    config: AutoConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        config, data = self._first_look(data)
        views = (config.locality != "local") + (config.locality != "global") * len(config.sides())
        # Three more of a trial with made-up flaws: this way, a bank, and what was chosen.
        tell = Steps(progress, 2 * views + 3 * (config.effort != "fast"))
        way = fit_way(config, data, random_state, tell)
        settled = settle(way, self.config, self.encoder, data, random_state, tell)
        tell.finish()
        self._take(settled.way)
        own = settled.way.own
        assert own is not None
        diagnostics = Diagnostics(
            settled.choices, settled.way.normal, made_up_flaws=settled.made_up_flaws
        )
        return Found(diagnostics, own)

    def _first_look(self, data: FitData) -> tuple[AutoConfig, FitData]:
        """Settled options to begin with, and the images with their outputs."""
        pool = data.pool
        sizes = None if pool.originals is None else pool.originals.sizes()
        config = self.config.settled(side=chosen_size(self.config, sizes, self.encoder))
        if self._open_to_shapes() and not _places_agree(data.source, pool):
            # Maps are still made of places; whole images decide, unless a bank is chosen.
            config = config.model_copy(update={"local_weight": 0.0})
        outputs = config.outputs()
        return config, replace(
            data, source=data.source.seen_as(outputs), target_pool=pool.seen_as(outputs)
        )

    def _open_to_shapes(self) -> bool:
        """Whether a user left open what the places of an image say."""
        given = self.config
        left_open = given.places == "auto" and given.local_weight is None
        return left_open and given.locality == "both"

    def _take(self, way: Way) -> None:
        """Score in this way; the options are what was settled."""
        self.config, self.way_ = way.config, way.kept()

    def _score(self, images: EncodedImages) -> Array:
        return self.way_.score(images)

    def n_views(self) -> int:
        """See :meth:`Method.n_views`."""
        return 2 if self.config.locality == "both" else 0

    def score_with_views(self, images: EncodedImages) -> tuple[Array, Array]:
        """See :meth:`Method.score_with_views`: whole images, and patches."""
        self._require_fitted()
        if not len(images):
            return np.empty(0), np.empty((0, self.n_views()))
        return self.way_.score_with_views(images.also_as(self.config.outputs()))

    def anomaly_map(self, images: EncodedImages) -> Array:
        """See :meth:`Method.anomaly_map`."""
        self._require_fitted()
        views = self.way_.views
        if not views.local or views.maps is None:
            return super().anomaly_map(images)
        images = images.also_as(self.config.outputs())
        name = self.config.patches()
        patches = images.rows(name)
        distances = views.local[0].model.squared_distances(patches, images.looked_at(name))
        return views.maps.standardise(distances, patches.shape[2:])

    def map_range(self) -> tuple[float, float]:
        """See :meth:`Method.map_range`."""
        self._require_fitted()
        maps = self.way_.views.maps
        return super().map_range() if maps is None else (maps.low, maps.high)

    def region_scale(self) -> RegionScale:
        """See :meth:`Method.region_scale`."""
        self._require_fitted()
        maps = self.way_.views.maps
        return super().region_scale() if maps is None else maps.regions

    def graph(self, places: Mapping[str, Places]) -> Judge:
        """See :meth:`Method.graph`."""
        self._require_fitted()
        return graph.AutoJudge(self.way_, places)

    def _state(self) -> dict[str, NDArray[Any]]:
        return self.way_.views.state() | {"scales": np.array([self.config.scales])}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        locality, encoder = self.config.locality, self.encoder
        # The vectors of another number of scales have the same shape.
        if int(state["scales"].item()) != self.config.scales:
            raise ValueError(f"{state['scales'].item()} scales in the arrays")
        config = self.config.settled()
        channels = patch_channels(config.patches(), encoder)
        views = Views.from_state(
            state,
            dim=None if locality == "local" else encoder.spec.feature_dim,
            channels=None if locality == "global" else channels,
            sizes=len(config.sides()),
            free=config.places == "none",
            image_score=config.image_score,
        )
        self._take(Way(config, views))


def _places_agree(source: EncodedImages, pool: EncodedImages) -> bool:
    """Whether the images have one shape; also where nobody knows."""
    if source.originals is None or pool.originals is None:
        return True
    return places_agree(source.originals.sizes(), pool.originals.sizes())
