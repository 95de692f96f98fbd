"""What the methods on patch features alone share: their data, cross-fits, maps and saved arrays."""

from __future__ import annotations

import math
from abc import abstractmethod
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, field_validator

from twofold.encoders.encode import EncodedImages
from twofold.encoders.patches import patch_channels, patches_name
from twofold.encoders.sides import at_side
from twofold.errors import NotEnoughImagesError
from twofold.eyes import RegionScale
from twofold.methods.base import (
    FitData,
    Found,
    Method,
    MethodConfig,
    Need,
    OutOfSample,
    Progress,
    folds,
)
from twofold.methods.progress import Steps
from twofold.methods.views.maps import MapScale, map_scale, pool_map_scale
from twofold.threads import one_thread
from twofold.thresholds import Origin

__all__ = ["PatchConfig", "PatchMethod", "PatchModel"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Index = NDArray[np.int64]
Mask = NDArray[np.bool_]

# Of two images each is as far from the other, and one alone varies nowhere: each fold's fit needs
# two, and so the whole needs one more.
_LEAST = 3
# A bank of patches takes seconds.
_FOLDS = 5


class PatchConfig(MethodConfig):
    """Which images are taken as normal, and which patches of them."""

    # Under a shift the target's own images are the nearest to its normals, at the price of the
    # anomalies among them; "source" is the method as published, trained on clean normals.
    fit_on: Literal["source", "pool"] = "pool"
    # Side in pixels of the square in which patches see an image; None: the encoder's own.
    image_size: int | None = Field(default=None, ge=64, le=2048)
    # None: the stage maps of strides 8 and 16, or all an encoder has.
    layers: tuple[int, ...] | None = Field(default=None, min_length=1)
    # Of PatchCore: three places forgive a displacement by one.
    neighbourhood: int = Field(default=3, ge=1, le=15)

    @field_validator("neighbourhood")
    @classmethod
    def _odd(cls, side: int) -> int:
        if side % 2 == 0:
            raise ValueError("must be odd, so that it has a middle")
        return side

    def wanted(self, needs: frozenset[Need]) -> frozenset[Need]:
        """Nothing but the source, where that is what the fit is on."""
        return frozenset() if self.fit_on == "source" else needs

    def outputs(self) -> tuple[str, ...]:
        """Patches alone."""
        return (self.patches(),)

    def has_maps(self) -> bool:
        """Always."""
        return True

    def patches(self) -> str:
        """Name of the patch features."""
        return at_side(patches_name(self.layers, self.neighbourhood), self.image_size)


class PatchModel(Protocol):
    """What normal patches are like; each image is judged by itself, bit by bit.

    ``looked_at`` is bool (n, g * g), the patches that count, some of each image; None for all.
    """

    def distances(self, patches: Floats, looked_at: Mask | None = None) -> Array:
        """How odd each patch of (n, c, g, g) is, float64 (n, g * g), none negative.

        What does not count is at 0.
        """
        ...  # pragma: no cover

    def scores(self, patches: Floats, looked_at: Mask | None = None) -> Array:
        """How odd each image of (n, c, g, g) is, float64 (n,), none negative."""
        ...  # pragma: no cover

    def both(self, patches: Floats, looked_at: Mask | None = None) -> tuple[Array, Array]:
        """Scores and distances, found once."""
        ...  # pragma: no cover

    def state(self) -> dict[str, NDArray[Any]]:
        """What it consists of."""
        ...  # pragma: no cover


class PatchMethod(Method):
    """A model of normal patches, of the source or of the whole pool; nothing is left out.

    Subclasses say how a model is fitted and restored.
    """

    needs = frozenset({"target_pool"})
    Config = PatchConfig
    config: PatchConfig
    model_: PatchModel
    maps_: MapScale

    @abstractmethod
    def _model(self, patches: Floats, random_state: int, looked_at: Mask | None) -> PatchModel:
        """Fit to normal images (n, c, g, g), n >= 2, and to those patches alone that count."""

    @abstractmethod
    def _model_from(self, state: dict[str, NDArray[Any]], channels: int) -> PatchModel:
        """Inverse of its :meth:`PatchModel.state`; ValueError if it is not."""

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        known = data.source if self.config.fit_on == "source" else data.target_pool
        assert known is not None
        patches, tell = self._patches(known), Steps(progress, _FOLDS + 1)
        if len(patches) < _LEAST:
            raise NotEnoughImagesError(
                f"method {self.id} needs at least {_LEAST} images of the {self.config.fit_on}, "
                f"got {len(patches)}"
            )
        looked_at = self._looked_at(known)
        with one_thread():
            self.model_ = self._model(patches, random_state, looked_at)
        tell.step()
        scores, distances = self._by_folds(known, random_state, tell)
        origin: Origin = "source" if self.config.fit_on == "source" else "target"
        scale = map_scale if origin == "source" else pool_map_scale
        self.maps_ = scale(distances, patches.shape[2:], looked_at)
        return Found(out_of_sample=OutOfSample(scores, origin, known.grouping(), "log"))

    def _patches(self, images: EncodedImages) -> Floats:
        return images.rows(self.config.patches())

    def _looked_at(self, images: EncodedImages) -> Mask | None:
        return images.looked_at(self.config.patches())

    def _by_folds(
        self, known: EncodedImages, random_state: int, tell: Steps
    ) -> tuple[Array, Array]:
        """Scores (n,) and distances (n, p), each from a fit that has not seen its image."""
        patches, looked_at, n = self._patches(known), self._looked_at(known), len(known)
        scores, distances = np.empty(n), np.empty((n, math.prod(patches.shape[2:])))
        for fold in folds(known.grouping(), _FOLDS, random_state):
            rest, own = (None if looked_at is None else looked_at[rows] for rows in (~fold, fold))
            with one_thread():
                model = self._model(self._patches(known.subset(~fold)), random_state, rest)
                others = self._patches(known.subset(fold))
                scores[fold], distances[fold] = model.both(others, own)
            tell.step()
        return scores, distances

    def _score(self, images: EncodedImages) -> Array:
        return self.model_.scores(self._patches(images), self._looked_at(images))

    def anomaly_map(self, images: EncodedImages) -> Array:
        """See :meth:`Method.anomaly_map`."""
        self._require_fitted()
        patches, looked_at = self._patches(images), self._looked_at(images)
        return self.maps_.standardise(self.model_.distances(patches, looked_at), patches.shape[2:])

    def map_range(self) -> tuple[float, float]:
        """See :meth:`Method.map_range`."""
        self._require_fitted()
        return self.maps_.low, self.maps_.high

    def region_scale(self) -> RegionScale:
        """See :meth:`Method.region_scale`."""
        self._require_fitted()
        return self.maps_.regions

    def _state(self) -> dict[str, NDArray[Any]]:
        return self.model_.state() | {"maps": self.maps_.to_array()}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.maps_ = MapScale.from_array(state["maps"])
        self.model_ = self._model_from(state, patch_channels(self.config.patches(), self.encoder))
