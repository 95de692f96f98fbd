"""A shrunk Gaussian, in the span of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import CollapseError, ConfigError, NotEnoughImagesError

if TYPE_CHECKING:
    from scipy import linalg
else:
    linalg = deferred("scipy.linalg")

__all__ = [
    "MIN_ROWS",
    "Gaussian",
    "Shrinkage",
    "fit_adapted_gaussian",
    "fit_gaussian",
    "scatter_shrinkage",
    "shrinkage_intensity",
    "span_factor",
]

Array = NDArray[np.float64]
Shrinkage = Literal["ledoit_wolf", "oas"]

# Two images are the least from which any spread can be estimated.
MIN_ROWS = 2


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian with covariance ``(1 - shrinkage) S + shrinkage * m * I`` and m = trace(S) / d.

    Attributes:
        mean: (d,).
        basis: (r, d) whitening matrix W. With r = d the squared distance of a centred row x is
            ``|W x|^2``; with fewer rows (n < d) it is ``(|x|^2 - |W x|^2) / floor``.
        floor: shrinkage * m, the variance of directions never seen.
        shrinkage: in [0, 1].
    """

    mean: Array
    basis: Array
    floor: float
    shrinkage: float

    def __post_init__(self) -> None:
        # Products round by the layout in memory, and a saved model has this one.
        object.__setattr__(self, "basis", np.ascontiguousarray(self.basis))

    def squared_distances(self, features: NDArray[np.floating]) -> Array:
        """Squared Mahalanobis distance of each row, float64 (n,), >= 0.

        Args:
            features: (n, d).
        """
        centred = np.asarray(features, dtype=np.float64) - self.mean
        inside = _row_squares(centred @ self.basis.T)
        if len(self.basis) == len(self.mean):
            return inside
        return np.asarray(np.maximum(_row_squares(centred) - inside, 0.0) / self.floor)

    def log_determinant(self) -> float:
        """Of the covariance; cost O(r^2 d), or O(d) with r = d."""
        d = len(self.mean)
        if len(self.basis) == d:
            return -2.0 * float(np.log(np.abs(np.diagonal(self.basis))).sum())
        # The inverse covariance is (I - W'W) / floor, and I - WW' has the same determinant.
        inside = np.eye(len(self.basis)) - self.basis @ self.basis.T
        lower = linalg.cholesky(inside, lower=True, check_finite=False)
        return d * float(np.log(self.floor)) - 2.0 * float(np.log(np.diagonal(lower)).sum())

    def state(self) -> dict[str, Array]:
        """Arrays from which :meth:`from_state` rebuilds the same object bit by bit."""
        scalars = np.array([self.floor, self.shrinkage])
        return {"mean": self.mean, "basis": self.basis, "scalars": scalars}

    @classmethod
    def from_state(cls, state: dict[str, Array]) -> Gaussian:
        """Inverse of :meth:`state`."""
        floor, shrinkage = (float(value) for value in state["scalars"])
        return cls(state["mean"], state["basis"], floor, shrinkage)


def _row_squares(rows: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", rows, rows), dtype=np.float64)


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


def fit_gaussian(
    features: NDArray[np.floating],
    *,
    mean: NDArray[np.floating] | None = None,
    weights: Array | None = None,
    shrinkage: Shrinkage = "ledoit_wolf",
) -> Gaussian:
    """Fit a shrunk Gaussian; for n < d everything happens in the span of the n rows.

    Args:
        features: (n, d) finite, n >= 2.
        mean: (d,) centre; default the rows' own mean, unweighted.
        weights: float64 (n,), > 0: how much each row counts in the covariance; default 1 each.
        shrinkage: how the intensity is estimated.

    Raises:
        NotEnoughImagesError: fewer than two rows.
        CollapseError: all rows are the same.

    Cost O(n d min(n, d)) time, O(min(n, d) d) memory in the result.
    """
    rows = np.asarray(features, dtype=np.float64)
    n, d = rows.shape
    if n < MIN_ROWS:
        raise NotEnoughImagesError(f"a Gaussian needs at least {MIN_ROWS} images, got {n}")
    center = rows.mean(axis=0) if mean is None else np.asarray(mean, dtype=np.float64)
    centred = rows - center
    squares = _row_squares(centred)
    counts = np.ones(n) if weights is None else weights
    # Relative to the rows' own length: rounding alone leaves about 1e-32 of it.
    least = 1e-24 * max(float(_row_squares(rows).mean()), 1e-300)
    if float(np.average(squares, weights=weights)) <= least:
        raise CollapseError(f"all {n} images have the same features: nothing to tell apart")
    if weights is not None:
        centred *= np.sqrt(weights)[:, None]
    total = float(counts.sum())
    scatter = (centred.T @ centred if n >= d else centred @ centred.T) / total
    intensity = scatter_shrinkage(scatter, squares, counts, dim=d, shrinkage=shrinkage)
    if n >= d:
        return _full_space(center, scatter, intensity)
    return _in_span(center, centred, scatter, intensity, total)


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
    # Ledoit-Wolf can find nothing to shrink in a handful of rows; a singular covariance is no
    # estimate, so the identity weighs at least as much as one of them.
    return max(intensity, 1.0 / effective) if len(weights) < dim else intensity


def _full_space(center: Array, scatter: Array, intensity: float) -> Gaussian:
    d = len(center)
    scale = float(np.trace(scatter)) / d
    covariance = (1.0 - intensity) * scatter
    # Exactly flat directions (dead units) under zero shrinkage would make it singular.
    covariance.flat[:: d + 1] += max(intensity, 1e-12) * scale
    lower = linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    basis = linalg.solve_triangular(lower, np.eye(d), lower=True, check_finite=False)
    return Gaussian(center, basis, intensity * scale, intensity)


def _in_span(
    center: Array, centred: Array, gram: Array, intensity: float, total: float
) -> Gaussian:
    """The Woodbury identity: n x n instead of d x d."""
    lower, floor, _ = span_factor(gram, intensity, total, dim=centred.shape[1])
    basis = linalg.solve_triangular(lower, centred, lower=True, check_finite=False)
    return Gaussian(center, basis, floor, intensity)


def span_factor(
    gram: Array, intensity: float, total: float, *, dim: int
) -> tuple[Array, float, float]:
    """What turns products with n rows into distances from their Gaussian, n < dim.

    Args:
        gram: (n, n), the dual of :func:`scatter_shrinkage`.
        intensity: of the shrinkage, in [0, 1].
        total: sum of the rows' weights.
        dim: of the rows.

    Returns:
        The lower Cholesky factor (n, n) of ``total * gram`` with a ridge on its diagonal, the
        variance of directions never seen, and the ridge.
    """
    floor = intensity * float(np.trace(gram)) / dim
    # Full shrinkage leaves no direction inside the span that differs from the rest.
    ridge = total * floor / max(1.0 - intensity, 1e-12)
    inner = total * gram
    inner.flat[:: len(inner) + 1] += ridge
    # Turned, which a symmetric matrix does not mind, it has LAPACK's order and is not copied.
    return linalg.cholesky(inner.T, lower=True, overwrite_a=True, check_finite=False), floor, ridge


def fit_adapted_gaussian(
    source: NDArray[np.floating],
    target: NDArray[np.floating],
    *,
    source_weight: float = 1.0,
    shrinkage: Shrinkage = "ledoit_wolf",
) -> Gaussian:
    """One Gaussian on source and target after the source is moved onto the target's mean.

    The mean is the target's; the covariance pools both domains' deviations from their own mean, so
    a shift of the mean costs nothing and the source lends its directions of normal variation.

    Args:
        source: (n_s, d) source normals.
        target: (n_t, d) presumed target normals.
        source_weight: how much a source row counts beside a target row, in [0, 1].
        shrinkage: see :func:`fit_gaussian`.

    Raises:
        NotEnoughImagesError: a domain without rows.
        CollapseError: all rows of each domain are the same.
    """
    source = np.asarray(source, dtype=np.float64)
    target = np.asarray(target, dtype=np.float64)
    for name, rows in (("source", source), ("target", target)):
        if not len(rows):
            raise NotEnoughImagesError(f"a Gaussian needs at least one {name} image, got none")
    center = target.mean(axis=0)
    if source_weight == 0.0:
        return fit_gaussian(target, mean=center, shrinkage=shrinkage)
    moved = source - source.mean(axis=0) + center
    weights = None
    if source_weight != 1.0:
        weights = np.repeat([source_weight, 1.0], [len(source), len(target)])
    rows = np.concatenate([moved, target])
    return fit_gaussian(rows, mean=center, weights=weights, shrinkage=shrinkage)
