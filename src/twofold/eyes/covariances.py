"""Covariances of places: averaged over domains, shrunk to what all have in common, factored."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.densities import shrinkage_intensity
from twofold.eyes.moments import PatchMoments

if TYPE_CHECKING:
    from scipy import linalg
    from scipy.linalg import lapack
else:
    linalg = deferred("scipy.linalg")
    lapack = deferred("scipy.linalg.lapack")

__all__ = ["averaged_covariances", "common_goal", "factors", "shrunk"]

Array = NDArray[np.float64]

# PaDiM's epsilon, in units of the mean variance: what varies less at no place varies by rounding.
_LEAST_RIDGE = 0.01


def averaged_covariances(
    target: PatchMoments, source: PatchMoments | None, source_weight: float
) -> tuple[float, Array, Array]:
    """The effective number of images, and the covariance and fourth moments of both domains.

    The variance of an average with weights w is that of one image over ``(sum w)^2 / sum w^2``
    (Kish 1965), which is fewer images than ``sum w`` says: no image is a part of one.
    """
    n = float(target.n)
    if source is None or source_weight <= 0:
        return n, target.covariance, target.fourth
    extra = source.n * source_weight
    share = extra / (n + extra)
    covariance = (1 - share) * target.covariance + share * source.covariance
    effective = (n + extra) ** 2 / (n + extra * source_weight)
    return effective, covariance, (1 - share) * target.fourth + share * source.fourth


def shrunk(covariance: Array, goal: Array, fourth: Array, n: float) -> Array:
    """The covariance of each place (k, c, c), shrunk towards what all have in common."""
    intensity = _intensities(covariance, goal, fourth, n)[:, None, None]
    return np.asarray((1.0 - intensity) * covariance + intensity * goal)


def common_goal(covariance: Array, fourth: float, patches: float) -> Array:
    """The mean covariance of all places, itself shrunk towards a multiple of the identity.

    With one place there is nothing else to lean on, and the result is Ledoit-Wolf's of 2004.
    """
    c = len(covariance)
    trace = float(np.trace(covariance))
    intensity = shrinkage_intensity(
        trace=trace,
        frobenius=float(np.square(covariance).sum()),
        fourth=fourth,
        n=max(round(patches), 1),
        d=c,
        kind="ledoit_wolf",
    )
    # That takes all patches for independent, which those of one image are not.
    intensity = max(intensity, _LEAST_RIDGE)
    goal = (1.0 - intensity) * covariance
    goal.flat[:: c + 1] += intensity * trace / c
    return goal


def _intensities(covariance: Array, goal: Array, fourth: Array, n: float) -> Array:
    """How much the goal weighs at each place (k,), in [1 / n, 1]: expected error over squared gap.

    The goal's own error, that of p times the patches, counts for nothing.
    """
    apart = covariance - goal
    gap = np.einsum("pij,pij->p", apart, apart)
    error = np.maximum(fourth - np.einsum("pij,pij->p", covariance, covariance), 0.0) / n
    found: Array = np.ones_like(gap)
    np.divide(error, gap, out=found, where=error < gap)
    # There can seem to be nothing to shrink in a handful of images: as for whole images.
    return np.asarray(np.clip(found, 1.0 / n, 1.0), dtype=np.float64)


def factors(spreads: Array, least: float) -> Array:
    """The lower Cholesky factor of each covariance (k, c, c); see :func:`_factor`."""
    try:
        lower = np.linalg.cholesky(spreads)
    except np.linalg.LinAlgError:
        return np.stack([_factor(spread, least) for spread in spreads])
    # No pivot is below the least eigenvalue.
    low = np.square(np.einsum("pii->pi", lower).min(axis=1)) < 0.5 * least
    for place in np.flatnonzero(low):
        lower[place] = _factor(spreads[place], least)
    return lower


def _factor(spread: Array, least: float) -> Array:
    """The lower Cholesky factor (c, c) of a covariance.

    Args:
        spread: (c, c), its eigenvalues at least ``least`` but for rounding. That of float32 moments
            can be more where a place varies far more than the others do, such as the one place
            that is not blank, and would make the matrix indefinite or nearly so.
        least: > 0.
    """
    lower, failed = lapack.dpotrf(spread, lower=1)
    # No pivot is below the least eigenvalue.
    if not failed and float(np.diagonal(lower).min()) ** 2 >= 0.5 * least:
        return np.asarray(lower)
    values, vectors = linalg.eigh(spread, check_finite=False)
    # What rounding took from one direction it may have added to another.
    floored = np.maximum(values, max(least, -float(values[0])))
    return np.asarray(
        linalg.cholesky((vectors * floored) @ vectors.T, lower=True, check_finite=False)
    )
