"""The local view without some images of the pool: for its cross-fit, and for made-up flaws."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from twofold.eyes import (
    MIN_IMAGES,
    PatchGaussians,
    PatchParts,
    fit_patch_gaussians,
    patch_moments,
)
from twofold.methods.base import FOLDS, folds
from twofold.methods.views.local_view import LocalData, LocalFit
from twofold.threads import one_thread

__all__ = ["LocalRest", "cross_fit_local"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class LocalRest:
    """Fits to the presumed normals of a whole fit, less some images.

    Attributes:
        fit: the whole one.
        data: that it is of.
    """

    fit: LocalFit
    data: LocalData

    @cached_property
    def _parts(self) -> PatchParts:
        return PatchParts.of(self.data.places, self.fit.kept)

    def without(self, rows: Mask) -> PatchGaussians:
        """A fit that has not seen some images of the pool, bool (n,), at the places judged.

        Its moments are the whole fit's less those of the images. Where that leaves too few, it is
        a fit to all others.
        """
        data = self.data
        moments = (
            self._parts.without(rows, shared=data.shared)
            if (self.fit.kept & ~rows).sum() >= MIN_IMAGES
            else patch_moments(data.places, ~rows, shared=data.shared)
        )
        weight = self.fit.source.weight
        return fit_patch_gaussians(moments, data.source, source_weight=weight)


def cross_fit_local(rest: LocalRest, groups: NDArray[np.int64], *, random_state: int) -> Array:
    """The pool's patch distances, float64 (n, g * g), each from a fit that has not seen its image.

    Args:
        rest: fits without the images of a fold.
        groups: int64 (n,), see :meth:`twofold.encoders.encode.EncodedImages.grouping`.
        random_state: of the folds.
    """
    places = rest.data.places
    distances = np.empty((places.shape[1], places.shape[0]))
    with one_thread():
        for fold in folds(groups, FOLDS, random_state):
            model = rest.without(fold)
            distances[fold] = model.of_places(places, fold)
    return rest.data.distances(distances)
