"""A shrunk Gaussian, in the span of the data."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.densities.moments import Moments
from twofold.densities.shrinkage import (
    Shrinkage,
    least_intensity,
    scatter_shrinkage,
    shrinkage_intensity,
)
from twofold.errors import CollapseError, NotEnoughImagesError

if TYPE_CHECKING:
    from scipy import linalg
else:
    linalg = deferred("scipy.linalg")

__all__ = [
    "MIN_ROWS",
    "Gaussian",
    "fit_adapted_gaussian",
    "fit_gaussian",
    "gaussian_of",
    "span_factor",
]

Array = NDArray[np.float64]

# Numbers of a register of 512 bits, the widest that processors have.
_COLUMNS = 8
# Two images are the least from which any spread can be estimated.
MIN_ROWS = 2


@dataclass(frozen=True)
class Gaussian:
    """A Gaussian with covariance ``(1 - shrinkage) S + shrinkage * m * I`` and m = trace(S) / d.

    Attributes:
        mean: (d,).
        basis: (r, d) whitening matrix W. With r = d the squared distance of a centred row x is
            ``|W x|^2``; with fewer rows (n < d) it is ``(|x|^2 - |W x|^2) / floor``, and rows of
            zeros, which change no distance, fill it up to a multiple of eight.
        floor: shrinkage * m, the variance of directions never seen.
        shrinkage: in [0, 1].
    """

    mean: Array
    basis: Array
    floor: float
    shrinkage: float

    def __post_init__(self) -> None:
        # Products round by the layout in memory, and a saved model has this one.
        object.__setattr__(self, "basis", np.ascontiguousarray(_filled_up(self.basis)))

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


def _filled_up(basis: Array) -> Array:
    """With rows of zeros, so that BLAS leaves no odd columns of a product to a slower kernel.

    That kernel rounds by how many rows are multiplied, and one image would have to be padded to 64:
    see :func:`twofold.densities.rows.in_blocks`.
    """
    r, d = basis.shape
    filled = -(-r // _COLUMNS) * _COLUMNS
    if filled == r or filled >= d:
        return basis
    return np.concatenate([basis, np.zeros((filled - r, d))])


def _row_squares(rows: Array) -> Array:
    return np.asarray(np.einsum("ij,ij->i", rows, rows), dtype=np.float64)


def fit_gaussian(
    features: NDArray[np.floating],
    *,
    mean: NDArray[np.floating] | None = None,
    shrinkage: Shrinkage = "ledoit_wolf",
) -> Gaussian:
    """Fit a shrunk Gaussian; for n < d everything happens in the span of the n rows.

    Args:
        features: (n, d) finite, n >= 2.
        mean: (d,) centre; default the rows' own mean.
        shrinkage: how the intensity is estimated.

    Raises:
        NotEnoughImagesError: fewer than two rows.
        CollapseError: all rows are the same.

    Cost O(n d min(n, d)) time, O(min(n, d) d) memory in the result.
    """
    rows = np.asarray(features, dtype=np.float64)
    n, d = rows.shape
    if n >= max(d, MIN_ROWS):
        return gaussian_of(Moments.of(rows), mean=mean, shrinkage=shrinkage)
    if n < MIN_ROWS:
        raise NotEnoughImagesError(f"a Gaussian needs at least {MIN_ROWS} images, got {n}")
    center = rows.mean(axis=0) if mean is None else np.asarray(mean, dtype=np.float64)
    return _in_span(center, rows, np.ones(n), shrinkage)


def gaussian_of(
    target: Moments,
    source: Moments | None = None,
    *,
    source_weight: float = 1.0,
    mean: NDArray[np.floating] | None = None,
    shrinkage: Shrinkage = "ledoit_wolf",
) -> Gaussian:
    """The Gaussian of sets of which only the moments are known, in all d dimensions.

    Args:
        target: of n >= 1 rows, two with those of the source.
        source: of rows that are moved onto the target's mean; None or of none leaves them out.
        source_weight: how much a row of the source counts beside one of the target, > 0.
        mean: (d,) centre; default the target's own.
        shrinkage: how the intensity is estimated.

    Raises:
        NotEnoughImagesError: fewer than two rows.
        CollapseError: all rows of each set are the same.

    Cost O(d^3) time, whatever the number of rows.
    """
    d = len(target.mean)
    center = target.mean if mean is None else np.asarray(mean, dtype=np.float64)
    second, _, fourth = target.around(center)
    rows, total, squared = target.n, float(target.n), float(target.n)
    if source is not None:
        rows += source.n
        total, squared = total + source_weight * source.n, squared + source_weight**2 * source.n
        second = second + source_weight * source.second
        fourth = fourth + source_weight * source.fourth
    if rows < MIN_ROWS:
        raise NotEnoughImagesError(f"a Gaussian needs at least {MIN_ROWS} images, got {rows}")
    scatter = second / total
    trace = float(np.trace(scatter))
    length = float(target.mean @ target.mean) + float(np.trace(target.second)) / total
    _check_spread(trace, length, rows)
    intensity = shrinkage_intensity(
        trace=trace,
        frobenius=float(np.square(scatter).sum()),
        fourth=float(fourth) / total,
        n=total**2 / squared,
        d=d,
        kind=shrinkage,
    )
    return _full_space(center, scatter, least_intensity(intensity, rows, d, total**2 / squared))


def _check_spread(spread: float, length: float, n: int) -> None:
    """Refuse rows that do not vary, relative to their own squared length."""
    # Rounding alone leaves about 1e-32 of it.
    if spread <= 1e-24 * max(length, 1e-300):
        raise CollapseError(f"all {n} images have the same features: nothing to tell apart")


def _full_space(center: Array, scatter: Array, intensity: float) -> Gaussian:
    d = len(center)
    scale = float(np.trace(scatter)) / d
    covariance = (1.0 - intensity) * scatter
    # Exactly flat directions (dead units) under zero shrinkage would make it singular.
    covariance.flat[:: d + 1] += max(intensity, 1e-12) * scale
    lower = linalg.cholesky(covariance, lower=True, overwrite_a=True, check_finite=False)
    basis = linalg.solve_triangular(lower, np.eye(d), lower=True, check_finite=False)
    return Gaussian(center, basis, intensity * scale, intensity)


def _in_span(center: Array, rows: Array, weights: Array, shrinkage: Shrinkage) -> Gaussian:
    """Of fewer rows than dimensions, weighted, by the Woodbury identity: n x n instead of d x d."""
    n, d = rows.shape
    centred = rows - center
    squares = _row_squares(centred)
    _check_spread(float(np.average(squares, weights=weights)), float(_row_squares(rows).mean()), n)
    centred *= np.sqrt(weights)[:, None]
    total = float(weights.sum())
    gram = centred @ centred.T / total
    intensity = scatter_shrinkage(gram, squares, weights, dim=d, shrinkage=shrinkage)
    lower, floor, _ = span_factor(gram, intensity, total, dim=d)
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
    known: Array = np.asarray(source, dtype=np.float64)
    pool: Array = np.asarray(target, dtype=np.float64)
    for name, given in (("source", known), ("target", pool)):
        if not len(given):
            raise NotEnoughImagesError(f"a Gaussian needs at least one {name} image, got none")
    if source_weight == 0.0:
        return fit_gaussian(pool, shrinkage=shrinkage)
    if len(known) + len(pool) >= pool.shape[1]:
        sums = Moments.of(pool), Moments.of(known)
        return gaussian_of(*sums, source_weight=source_weight, shrinkage=shrinkage)
    center = pool.mean(axis=0)
    rows = np.concatenate([known - known.mean(axis=0) + center, pool])
    weights = np.repeat([source_weight, 1.0], [len(known), len(pool)])
    return _in_span(center, rows, weights, shrinkage)
