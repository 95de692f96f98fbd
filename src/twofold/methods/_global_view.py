"""The global view of images, as one vector each: a robust Gaussian, from two starts."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.densities import (
    Gaussian,
    Shrinkage,
    fit_adapted_gaussian,
    fit_gaussian,
    fit_trimmed,
    in_blocks,
)
from twofold.errors import CollapseError, NotEnoughImagesError
from twofold.methods._views import FOLDS
from twofold.methods.base import folds

__all__ = ["GlobalView", "cross_fit_global", "fit_global"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Two images in each half.
_LEAST_HALVES = 4


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
    source: Array | None, pool: Array, *, trim: float, shrinkage: Shrinkage, random_state: int = 0
) -> GlobalView:
    """Fit to the pool's central part, and the moved source if there is one.

    Concentration steps find a mode near their start. With a source there are two: the whole pool,
    and the images that vary most like the source. As in FAST-MCD the better end counts, here by the
    likelihood of its presumed normals, each half of them under a fit to the other.

    Args:
        source: (m, d) normalised source vectors, or None.
        pool: (n, d) normalised pool vectors.
        trim: see :func:`twofold.densities.fit_trimmed`.
        shrinkage: see :func:`twofold.densities.fit_gaussian`.
        random_state: of the halves.
    """
    view = GlobalView(*fit_trimmed(source, pool, trim=trim, shrinkage=shrinkage))
    if source is None or view.kept.sum() < _LEAST_HALVES:
        return view
    try:
        start = _most_like_source(source, pool, trim=trim, shrinkage=shrinkage)
    except (NotEnoughImagesError, CollapseError):
        # A single image of the source, or copies of one, say nothing.
        return view
    other = GlobalView(*fit_trimmed(source, pool, trim=trim, shrinkage=shrinkage, start=start))
    if np.array_equal(view.kept, other.kept):
        return view
    held_out = [
        _held_out(source, pool[found.kept], shrinkage=shrinkage, random_state=random_state)
        for found in (view, other)
    ]
    return other if held_out[1] > held_out[0] else view


def _most_like_source(source: Array, pool: Array, *, trim: float, shrinkage: Shrinkage) -> Mask:
    """The pool's images nearest to its median, as the source measures distance, bool (n,)."""
    model = fit_gaussian(source, shrinkage=shrinkage)
    moved = pool - np.median(pool, axis=0) + model.mean
    order = np.argsort(model.squared_distances(moved), kind="stable")
    kept = np.zeros(len(pool), dtype=np.bool_)
    kept[order[: int(np.ceil(len(pool) * (1.0 - trim)))]] = True
    return kept


def _held_out(source: Array, normals: Array, *, shrinkage: Shrinkage, random_state: int) -> float:
    """Mean log-likelihood, less a constant, of each half under a fit to the other."""
    order = np.random.default_rng(random_state).permutation(len(normals))
    found = 0.0
    for half, rest in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        try:
            model = fit_adapted_gaussian(source, normals[half], shrinkage=shrinkage)
        except CollapseError:
            return -np.inf
        distances = model.squared_distances(normals[rest])
        found -= 0.25 * (float(distances.mean()) + model.log_determinant())
    return found


def cross_fit_global(
    view: GlobalView,
    source: Array | None,
    pool: Array,
    *,
    trim: float,
    shrinkage: Shrinkage,
    random_state: int,
) -> Array:
    """The pool's scores, each from a fit that has not seen its image, float64 (n,)."""
    scores = np.empty(len(pool))
    for fold in folds(len(pool), FOLDS, random_state):
        # From the rows kept by the full fit, one concentration step settles what the missing fold
        # changes.
        model, _ = fit_trimmed(
            source,
            pool[~fold],
            trim=trim,
            shrinkage=shrinkage,
            start=view.kept[~fold],
            max_iterations=1,
        )
        scores[fold] = in_blocks(model.squared_distances, pool[fold])
    return scores
