"""Covariances of places: averaged over domains, shrunk to what all have in common, factored."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.densities import shrinkage_intensity
from twofold.eyes.moments import PatchMoments

__all__ = ["averaged_covariances", "common_goal", "inverse_roots", "shrunk"]

Array = NDArray[np.float64]

# PaDiM's epsilon, in units of the mean variance: what varies less at no place varies by rounding.
_LEAST_RIDGE = 0.01
# Channels below which halves are no faster than LAPACK.
_SMALL = 40


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


def inverse_roots(spreads: Array, least: float) -> Array:
    """The inverse of the lower Cholesky factor of each covariance, float64 (k, c, c).

    Args:
        spreads: (k, c, c), their eigenvalues at least ``least`` but for rounding. That of float32
            moments can be more where a place varies far more than the others do, such as the one
            place that is not blank, and would make the matrix indefinite or nearly so.
        least: > 0.
    """
    try:
        found = _by_halves(spreads)
    except np.linalg.LinAlgError:
        return np.stack([_one_inverse_root(spread, least) for spread in spreads])
    # No pivot is below the least eigenvalue.
    low = np.square(np.einsum("pii->pi", found).max(axis=1)) * least > 2.0
    for place in np.flatnonzero(low):
        found[place] = _one_inverse_root(spreads[place], least)
    return found


def _by_halves(spreads: Array) -> Array:
    """The same where no eigenvalue is too small.

    With the blocks of halves, the factor's lower left one is ``B = C W1'``, for the covariance's C
    and the upper half's inverse root W1, and the lower half's W2 is that of what B leaves. Nearly
    all of it is products, which other threads need not wait for.
    """
    c = spreads.shape[-1]
    if c <= _SMALL:
        return np.asarray(np.tril(np.linalg.inv(np.linalg.cholesky(spreads))))
    half = c // 2
    upper = _by_halves(spreads[:, :half, :half])
    below = np.matmul(spreads[:, half:, :half], upper.transpose(0, 2, 1))
    rest = spreads[:, half:, half:] - np.matmul(below, below.transpose(0, 2, 1))
    lower = _by_halves(rest)
    found = np.zeros_like(spreads)
    found[:, :half, :half], found[:, half:, half:] = upper, lower
    np.matmul(-lower, np.matmul(below, upper), out=found[:, half:, :half])
    return found


def _one_inverse_root(spread: Array, least: float) -> Array:
    """The same of one (c, c), whose smallest eigenvalues rounding may have spoilt."""
    try:
        found = _by_halves(spread[None])[0]
        if float(np.diagonal(found).max()) ** 2 * least <= 2.0:
            return np.asarray(found)
    except np.linalg.LinAlgError:
        pass
    values, vectors = np.linalg.eigh(spread)
    # What rounding took from one direction it may have added to another.
    floored = np.maximum(values, max(least, -float(values[0])))
    return np.asarray(_by_halves(((vectors * floored) @ vectors.T)[None])[0])
