"""The global view of images, as one vector each: a robust Gaussian."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.densities import Gaussian, Shrinkage, fit_trimmed, in_blocks
from twofold.methods.base import FOLDS, folds

__all__ = ["GlobalView", "cross_fit_global", "fit_global"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class GlobalView:
    """A robust Gaussian of whole-image vectors.

    Attributes:
        model: the fit.
        kept: the presumed normals of the pool, bool (n,).
    """

    model: Gaussian
    kept: Mask

    def scores(self, vectors: Array) -> Array:
        """Squared Mahalanobis distances, float64 (n,)."""
        return in_blocks(self.model.squared_distances, vectors)


def fit_global(
    source: Array | None, pool: Array, *, trim: float, shrinkage: Shrinkage
) -> GlobalView:
    """Fit to the pool's central part, and the moved source if there is one.

    Args:
        source: (m, d) normalised source vectors, or None.
        pool: (n, d) normalised pool vectors.
        trim: see :func:`twofold.densities.fit_trimmed`.
        shrinkage: see :func:`twofold.densities.fit_gaussian`.
    """
    return GlobalView(*fit_trimmed(source, pool, trim=trim, shrinkage=shrinkage))


def cross_fit_global(
    view: GlobalView,
    source: Array | None,
    pool: Array,
    groups: NDArray[np.int64],
    *,
    trim: float,
    shrinkage: Shrinkage,
    random_state: int,
) -> Array:
    """The pool's scores, each from a fit that has not seen its image, float64 (n,)."""
    scores = np.empty(len(pool))
    for fold in folds(groups, FOLDS, random_state):
        # To the rows kept by the full fit, less the fold.
        model, _ = fit_trimmed(
            source,
            pool[~fold],
            trim=trim,
            shrinkage=shrinkage,
            start=view.kept[~fold],
            max_iterations=0,
        )
        scores[fold] = in_blocks(model.squared_distances, pool[fold])
    return scores
