"""The views of `auto` and their mixture: what is fitted, saved and restored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Gaussian
from twofold.eyes import FreeBank, PatchGaussians
from twofold.methods.arrays import under
from twofold.methods.density import check_gaussian
from twofold.methods.views.global_view import GlobalView
from twofold.methods.views.maps import MapScale
from twofold.methods.views.pooling import ImageScore, Pooling
from twofold.methods.views.scale import Scale

__all__ = ["Views"]

Array = NDArray[np.float64]
# The global view's fits, in the order of its weights.
_WHOLE = ("whole.", "chosen.")


@dataclass(frozen=True)
class Views:
    """The views in use, their scales, and the weight of the local one in the score.

    Attributes:
        local_weight: of the local score in the mixture, in [0, 1]; the rest is the global one's.
        whole: the global view, or None.
        whole_scale: of its scores.
        local: the local view, or None.
        local_scale: of its scores.
        pooling: how its patches make up a score.
        maps: of its patches.
    """

    local_weight: float = 0.0
    whole: GlobalView | None = None
    whole_scale: Scale | None = None
    local: PatchGaussians | FreeBank | None = None
    local_scale: Scale | None = None
    pooling: Pooling = field(default_factory=Pooling)
    maps: MapScale | None = None

    def mix(self, whole: Array | None, local: Array | None) -> Array:
        """The raw distances of one view, or both in spreads of normal scores, weighted."""
        if local is None:
            assert whole is not None
            return whole
        if whole is None:
            return local
        assert self.whole_scale is not None
        assert self.local_scale is not None
        return self.local_weight * self.local_scale.standardise(local) + (
            1.0 - self.local_weight
        ) * self.whole_scale.standardise(whole)

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that scores need."""
        arrays: dict[str, NDArray[Any]] = {"weight": np.array([self.local_weight])}
        if self.whole is not None:
            for name, model in zip(_WHOLE, self.whole.models, strict=False):
                arrays |= _prefixed(name, model.state())
        if self.whole_scale is not None:
            arrays["whole.scale"] = _pair(self.whole_scale)
        if self.local is not None and self.local_scale is not None and self.maps is not None:
            arrays |= _prefixed("local.", self.local.state())
            arrays["local.scale"] = _pair(self.local_scale)
            arrays["local.maps"] = self.maps.to_array()
            if self.pooling.kind == "size":
                arrays["windows"] = self.pooling.to_array()
        return arrays

    @classmethod
    def from_state(
        cls,
        arrays: dict[str, NDArray[Any]],
        *,
        dim: int | None,
        channels: int | None,
        free: bool = False,
        image_score: ImageScore = "oddest",
    ) -> Views:
        """Inverse of :meth:`state`.

        Args:
            arrays: of a saved model.
            dim: of the global vectors; None for no global view.
            channels: of the patches; None for no local view.
            free: whether the local view is a bank without places.
            image_score: how patches make up a score.

        Raises:
            ValueError, KeyError: they are not those of such views.
        """
        (local_weight,) = (float(value) for value in arrays["weight"])
        if not 0 <= local_weight <= 1:
            raise ValueError(f"the local weight must lie in [0, 1], not {local_weight}")
        whole = whole_scale = local = local_scale = maps = None
        pooling = Pooling(image_score)
        if dim is not None:
            whole = _global(arrays, dim)
            whole_scale = _scale(arrays["whole.scale"])
        if channels is not None:
            kind = FreeBank if free else PatchGaussians
            local = kind.from_state(under(arrays, "local."), channels)
            local_scale = _scale(arrays["local.scale"])
            maps = MapScale.from_array(arrays["local.maps"])
            if image_score == "size":
                pooling = Pooling.from_array(arrays["windows"])
        return cls(local_weight, whole, whole_scale, local, local_scale, pooling, maps)


def _global(arrays: dict[str, NDArray[Any]], dim: int) -> GlobalView:
    first, *others = _WHOLE
    names = (first, *(name for name in others if under(arrays, name)))
    models = tuple(Gaussian.from_state(under(arrays, name)) for name in names)
    for model in models:
        check_gaussian(model, dim)
    return GlobalView(models)


def _prefixed(prefix: str, arrays: dict[str, Any]) -> dict[str, NDArray[Any]]:
    return {prefix + name: array for name, array in arrays.items()}


def _pair(scale: Scale) -> Array:
    return np.array([scale.center, scale.spread])


def _scale(array: NDArray[Any]) -> Scale:
    center, spread = (float(value) for value in array)
    if not spread > 0 or not np.isfinite([center, spread]).all():
        raise ValueError(f"a scale of center {center} and spread {spread}")
    return Scale(center, spread)
