"""The views of `auto` and their mixture: what is fitted, saved and restored."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Gaussian, Scale
from twofold.methods.arrays import prefixed, under
from twofold.methods.auto.at_size import SIZES, AtSize
from twofold.methods.density import check_gaussian
from twofold.methods.views.global_view import GlobalView
from twofold.methods.views.maps import MapScale
from twofold.methods.views.pooling import ImageScore

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
        local: patches at each size at which they are seen, finest first; empty for no local view.
        local_scale: of the score that they make together.
        maps: of the finest patches.
    """

    local_weight: float = 0.0
    whole: GlobalView | None = None
    whole_scale: Scale | None = None
    local: tuple[AtSize, ...] = ()
    local_scale: Scale | None = None
    maps: MapScale | None = None

    def mix(self, whole: Array | None, local: Array | None) -> Array:
        """The raw distances of one view, or both in spreads of normal scores, weighted."""
        if local is None:
            assert whole is not None
            return whole
        if whole is None:
            return local
        found = self.standardised(whole, local)
        mixed: Array = self.local_weight * found[:, 1] + (1.0 - self.local_weight) * found[:, 0]
        return mixed

    def standardised(self, whole: Array | None, local: Array | None) -> Array:
        """Both in spreads of normal scores, float64 (n, 2), the global first; (n, 0) of one."""
        if whole is None or local is None:
            alone = whole if local is None else local
            return np.empty((0 if alone is None else len(alone), 0))
        assert self.whole_scale is not None
        assert self.local_scale is not None
        return np.column_stack(
            [self.whole_scale.standardise(whole), self.local_scale.standardise(local)]
        )

    def state(self) -> dict[str, NDArray[Any]]:
        """Everything that scores need."""
        arrays: dict[str, NDArray[Any]] = {"weight": np.array([self.local_weight])}
        if self.whole is not None:
            for name, model in zip(_WHOLE, self.whole.models, strict=False):
                arrays |= prefixed(name, model.state())
        if self.whole_scale is not None:
            arrays["whole.scale"] = self.whole_scale.to_array()
        for prefix, patches in zip(SIZES, self.local, strict=False):
            arrays |= patches.state(prefix)
        if self.local_scale is not None and self.maps is not None:
            arrays["local.maps"] = self.maps.to_array()
            if len(self.local) > 1:
                arrays["sizes.scale"] = self.local_scale.to_array()
        return arrays

    @classmethod
    def from_state(
        cls,
        arrays: Mapping[str, NDArray[Any]],
        *,
        dim: int | None,
        channels: int | None,
        sizes: int = 1,
        free: bool = False,
        image_score: ImageScore = "oddest",
    ) -> Views:
        """Inverse of :meth:`state`.

        Args:
            arrays: of a saved model.
            dim: of the global vectors; None for no global view.
            channels: of the patches; None for no local view.
            sizes: at which patches are seen.
            free: whether the local view is a bank without places.
            image_score: how patches make up a score.

        Raises:
            ValueError, KeyError: they are not those of such views.
        """
        (local_weight,) = (float(value) for value in arrays["weight"])
        if not 0 <= local_weight <= 1:
            raise ValueError(f"the local weight must lie in [0, 1], not {local_weight}")
        whole = whole_scale = local_scale = maps = None
        local: tuple[AtSize, ...] = ()
        if dim is not None:
            whole = _global(arrays, dim)
            whole_scale = Scale.from_array(arrays["whole.scale"])
        if channels is not None:
            local = tuple(
                AtSize.from_state(arrays, name, channels, free=free, image_score=image_score)
                for name in SIZES[:sizes]
            )
            # Of one size it is that of its scores.
            local_scale = Scale.from_array(arrays.get("sizes.scale", arrays["local.scale"]))
            maps = MapScale.from_array(arrays["local.maps"])
        return cls(local_weight, whole, whole_scale, local, local_scale, maps)


def _global(arrays: Mapping[str, NDArray[Any]], dim: int) -> GlobalView:
    first, *others = _WHOLE
    names = (first, *(name for name in others if under(arrays, name)))
    models = tuple(Gaussian.from_state(under(arrays, name)) for name in names)
    for model in models:
        check_gaussian(model, dim)
    return GlobalView(models)
