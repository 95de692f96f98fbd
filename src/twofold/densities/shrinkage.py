"""How far a covariance is shrunk towards a multiple of the identity."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError

__all__ = ["Shrinkage", "least_intensity", "scatter_shrinkage", "shrinkage_intensity"]

Array = NDArray[np.float64]
Shrinkage = Literal["ledoit_wolf", "oas"]


def shrinkage_intensity(
    *, trace: float, frobenius: float, fourth: float, n: float, d: int, kind: Shrinkage
) -> float:
    """Shrinkage towards the scaled identity that minimises the expected squared error.

    Args:
        trace: trace of the (biased) sample covariance S.
        frobenius: squared Frobenius norm of S.
        fourth: mean over the rows of their squared length, squared (Ledoit-Wolf only).
        n: rows; of weighted ones the effective number.
        d: dimensions.
        kind: ``ledoit_wolf`` (Ledoit & Wolf 2004) or ``oas`` (Chen et al. 2010).

    Returns:
        In [0, 1].
    """
    if kind == "ledoit_wolf":
        dispersion = frobenius - trace**2 / d
        noise = min((fourth - frobenius) / n, dispersion)
        return float(max(noise, 0.0) / dispersion) if dispersion > 0 else 0.0
    if kind == "oas":
        # The form scikit-learn uses, with the 2/d terms of the paper's eq. 23 dropped.
        alpha, mu = frobenius / d**2, trace / d
        denominator = (n + 1.0) * (alpha - mu**2 / d)
        return 1.0 if denominator <= 0 else float(min((alpha + mu**2) / denominator, 1.0))
    raise ConfigError(f"unknown shrinkage {kind!r}: choose ledoit_wolf or oas")


def least_intensity(intensity: float, rows: int, dim: int, effective: float) -> float:
    """Ledoit-Wolf can find nothing to shrink in a handful of rows; a singular covariance is no
    estimate, so the identity weighs at least as much as one of them.
    """
    return max(intensity, 1.0 / effective) if rows < dim else intensity


def scatter_shrinkage(
    scatter: Array, squares: Array, weights: Array, *, dim: int, shrinkage: Shrinkage
) -> float:
    """The intensity for weighted rows of so many dimensions, in [0, 1].

    Args:
        scatter: their weighted covariance, (d, d), or with as few rows as they are, its dual:
            products of rows times the roots of their weights, over the sum of weights, (n, n).
        squares: (n,) squared lengths of the centred rows.
        weights: (n,), > 0. The variance of an average is that of one row over
            ``(sum w)^2 / sum w^2`` (Kish 1965).
        dim: of the rows.
        shrinkage: how it is estimated.
    """
    effective = float(weights.sum()) ** 2 / float(np.square(weights).sum())
    intensity = shrinkage_intensity(
        trace=float(np.average(squares, weights=weights)),
        frobenius=float(np.square(scatter).sum()),
        fourth=float(np.average(np.square(squares), weights=weights)),
        n=effective,
        d=dim,
        kind=shrinkage,
    )
    return least_intensity(intensity, len(weights), dim, effective)
