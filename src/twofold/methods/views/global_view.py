"""The global view of images, as one vector each: robust Gaussians."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.densities import MIN_ROWS, Gaussian, Splits, concentrate, halves, in_blocks, likeliest
from twofold.errors import CollapseError
from twofold.methods.base import FOLDS, folds
from twofold.threads import one_thread

__all__ = [
    "GlobalFit",
    "GlobalView",
    "choose_global_weight",
    "cross_fit_global",
    "fit_global",
    "global_without",
]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# What a source image may count for beside a target image: in full, not at all, and two steps
# between of half a power of ten each.
_WEIGHTS = (0.0, 0.1, 0.3, 1.0)
# Random halves, twice each, by which the weight is chosen: with one, which half a few images fall
# into decides as often as the source does.
_REPEATS = 3


@dataclass(frozen=True)
class GlobalView:
    """Robust Gaussians of whole-image vectors, which differ in how much they take from the source.

    Attributes:
        models: the fits, one or two.
    """

    models: tuple[Gaussian, ...]

    def scores(self, vectors: Array) -> Array:
        """Squared Mahalanobis distances, their geometric mean over the fits, float64 (n,)."""
        with one_thread():
            return _mean(
                [
                    in_blocks(model.squared_distances, vectors, width=len(model.basis))
                    for model in self.models
                ]
            )


@dataclass(frozen=True)
class GlobalFit:
    """The global view as it was fitted.

    Attributes:
        view: what scores images.
        weights: of a source image beside a target image, one for each model.
        kept: the presumed normals of the pool, bool (n,), one mask for each model.
        apart: share of the pool in a lesser group that the fit did not start from; 0 if none.
    """

    view: GlobalView
    weights: tuple[float, ...]
    kept: tuple[Mask, ...]
    apart: float


def _mean(distances: list[Array]) -> Array:
    """The geometric mean: a constant factor, which is all that dimensions add, cancels."""
    if len(distances) == 1:
        return distances[0]
    logs = [np.log(np.maximum(found, 1e-300)) for found in distances]
    return np.asarray(np.exp(np.mean(logs, axis=0)))


def fit_global(
    splits: Splits,
    *,
    trim: float,
    start: Mask | None = None,
    weights: tuple[float, ...] = (1.0,),
) -> GlobalFit:
    """Fit to the pool's central part, and the moved source if there is one.

    Args:
        splits: normalised vectors of source and pool.
        trim: see :func:`twofold.densities.fit_trimmed`.
        start: rows of the pool to start from, see :func:`twofold.densities.majority`; None: all.
        weights: of the source, one fit each.
    """
    kept = tuple(
        concentrate(splits, trim=trim, source_weight=weight, start=start) for weight in weights
    )
    models = tuple(
        splits.fit(rows, source_weight=weight) for weight, rows in zip(weights, kept, strict=True)
    )
    apart = 0.0 if start is None else 1.0 - float(start.mean())
    return GlobalFit(GlobalView(models), weights, kept, apart)


def choose_global_weight(
    splits: Splits, *, trim: float, start: Mask | None = None, random_state: int
) -> tuple[float, ...]:
    """The source's weights for :func:`fit_global`: 1, and where it differs the likeliest.

    Presumed normals, chosen without the source, are held out by halves; the weight under which they
    are likeliest is what the source is worth by what the target shows. A source whose images vary
    in other ways widens the wrong directions, and the likelihood says so. What it cannot say is how
    many of the presumed normals are normal: where anomalies are among them, the source alone knows
    better. So half of the say stays with the weight of 1 that the method has without evidence.

    Args:
        splits: normalised vectors of source and pool.
        trim: see :func:`twofold.densities.fit_trimmed`.
        start: as of the fit.
        random_state: of the halves.
    """
    try:
        kept = concentrate(splits, trim=trim, source_weight=0.0, start=start)
        # Two images are the least that a fit to a half needs.
        if kept.sum() < 4:
            return (1.0,)
        found = _log_likelihoods(splits, kept, np.random.default_rng(random_state))
    except CollapseError:
        # Images that are all alike: without the source there is no spread.
        return (1.0,)
    best = likeliest(found)
    return (1.0,) if best == 1.0 else (1.0, best)


def _log_likelihoods(
    splits: Splits, kept: Mask, generator: np.random.Generator
) -> dict[float, float]:
    """Of held-out halves of the presumed normals, summed over images and repeats, by weight."""
    found = dict.fromkeys(_WEIGHTS, 0.0)
    for _ in range(_REPEATS):
        for inside, outside in halves(kept, generator):
            for weight in _WEIGHTS:
                found[weight] += splits.log_likelihood(inside, outside, source_weight=weight)
    return found


def cross_fit_global(
    fit: GlobalFit, splits: Splits, groups: NDArray[np.int64], *, random_state: int
) -> Array:
    """The pool's scores, each from fits that have not seen its image, float64 (n,).

    Each to the presumed normals of the whole fit less the fold.
    """
    scores = np.empty(len(splits.pool))
    for fold in folds(groups, FOLDS, random_state):
        fitted = [_rest(kept, fold) for kept in fit.kept]
        distances = [
            splits.score(rows, fold, source_weight=weight)[0]
            for weight, rows in zip(fit.weights, fitted, strict=True)
        ]
        scores[fold] = _mean(distances)
    return scores


def global_without(fit: GlobalFit, splits: Splits, rows: Mask) -> GlobalView:
    """The view as fits that have not seen some rows of the pool, bool (n,), would have it.

    To the rows that a fold's fits of :func:`cross_fit_global` are to.
    """
    return GlobalView(
        tuple(
            splits.fit(_rest(kept, rows), source_weight=weight)
            for weight, kept in zip(fit.weights, fit.kept, strict=True)
        )
    )


def _rest(kept: Mask, rows: Mask) -> Mask:
    """Presumed normals without some rows, or all others where that leaves too few to fit to."""
    rest = kept & ~rows
    return rest if rest.sum() >= MIN_ROWS else ~rows
