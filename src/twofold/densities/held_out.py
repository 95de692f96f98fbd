"""Fits to many parts of one pool, and the scores they give to its other rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.densities.gaussian import (
    MIN_ROWS,
    Gaussian,
    fit_adapted_gaussian,
    fit_gaussian,
    gaussian_of,
    span_factor,
)
from twofold.densities.moments import Moments, merged
from twofold.densities.rows import FarRows, blocks, in_blocks, some
from twofold.densities.shrinkage import Shrinkage, scatter_shrinkage
from twofold.threads import one_thread

if TYPE_CHECKING:
    from scipy import linalg
else:
    linalg = deferred("scipy.linalg")

__all__ = ["Splits", "halves", "likeliest"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

# Of the pool's own squared length: taking means off products leaves errors of about 1e-16 of it.
_LEAST_SPREAD = 1e-8
# Of the squares of all rows: where what is left after taking rows off varies less, it would keep
# fewer than 14 digits, which a covariance of many dimensions needs.
_LEAST_LEFT = 0.01


def halves(kept: Mask, generator: np.random.Generator) -> Iterator[tuple[Mask, Mask]]:
    """Two random halves of some rows, each once to fit to and once to hold out.

    Args:
        kept: the rows, bool (n,).
        generator: draws the halves.

    Returns:
        Pairs of masks (n,): to fit to, to score.
    """
    order = generator.permutation(np.flatnonzero(kept))
    for half in (order[::2], order[1::2]):
        inside = np.isin(np.arange(len(kept)), half)
        yield inside, kept & ~inside


def likeliest(log_likelihoods: Mapping[float, float]) -> float:
    """The weight of the source under which held-out rows are likeliest.

    Ties, as with a source without spread, go to the weight that is not swayed by the source.
    """
    return max(log_likelihoods, key=lambda weight: (log_likelihoods[weight], -weight))


@dataclass(frozen=True)
class Splits:
    """A pool, and a source beside it, of which parts are fitted to and other parts scored.

    A fit to fewer rows than dimensions needs nothing of them but their inner products, and those of
    all rows are found once: ten folds of 500 images of 1,280 values each take a fifth of the time
    of fitting them one by one.

    Attributes:
        source: (m, d) source normals, or None; an array or :class:`twofold.densities.FarRows`.
        pool: (n, d), likewise.
        shrinkage: see :func:`twofold.densities.fit_gaussian`.
        known: rows of the pool that are known to be normal, bool (n,); None: of none is it known.
    """

    source: Array | None
    pool: Array
    shrinkage: Shrinkage = "ledoit_wolf"
    known: Mask | None = None

    def fit(self, fitted: Mask, *, source_weight: float = 1.0) -> Gaussian:
        """A Gaussian of the source, moved, and rows of the pool.

        That of :func:`twofold.densities.fit_adapted_gaussian`, or of the pool's rows alone without
        a source or with a weight of 0; raises the same. Of as many rows as dimensions, moments are
        all that is kept of them.
        """
        m, own = self._lent(source_weight), int(fitted.sum())
        # A source without images is an error that the fit of rows names.
        known = m or self.source is None or source_weight == 0.0
        if known and own and m + own >= max(self.pool.shape[1], MIN_ROWS):
            source = self._source_moments if m else None
            return gaussian_of(
                self._moments(fitted), source, source_weight=source_weight, shrinkage=self.shrinkage
            )
        rows = self.pool[fitted]
        if self.source is None or source_weight == 0.0:
            return fit_gaussian(rows, shrinkage=self.shrinkage)
        return fit_adapted_gaussian(
            self.source[:], rows, source_weight=source_weight, shrinkage=self.shrinkage
        )

    def score(
        self, fitted: Mask, scored: Mask, *, source_weight: float = 1.0
    ) -> tuple[Array, float]:
        """Squared distances of rows of the pool from a fit to others, and its log-determinant.

        Those of :meth:`fit`, but for rounding.

        Args:
            fitted: rows of the pool, bool (n,), at least 2.
            scored: rows of the pool, bool (n,); float64 (their number,) comes back.
            source_weight: in [0, 1].

        Raises:
            NotEnoughImagesError, CollapseError: as the fit.
        """
        m = self._lent(source_weight)
        rows, dim = m + int(fitted.sum()), self.pool.shape[1]
        weights = np.ones(rows)
        weights[:m] = source_weight
        found = self._centred(fitted, scored, m) if fitted.any() and 2 <= rows < dim else None
        if found is None or self._too_near(np.diagonal(found.among), weights):
            model = self.fit(fitted, source_weight=source_weight)
            distances = in_blocks(model.squared_distances, some(self.pool, scored))
            return distances, model.log_determinant()
        with one_thread():
            return _from_products(found, weights, dim=dim, shrinkage=self.shrinkage)

    def log_likelihood(self, fitted: Mask, held_out: Mask, *, source_weight: float = 1.0) -> float:
        """Of rows of the pool under a fit to others, summed, up to a constant for each row.

        Arguments and errors are those of :meth:`score`. Of rows that are not held in memory the sum
        follows from their moments.
        """
        dim = self.pool.shape[1]
        few = self._lent(source_weight) + int(fitted.sum()) < dim or not held_out.any()
        if few or not isinstance(self.pool, FarRows):
            distances, determinant = self.score(fitted, held_out, source_weight=source_weight)
            return -0.5 * float((distances + determinant).sum())
        model, others = self.fit(fitted, source_weight=source_weight), self._moments(held_out)
        # The sum of |W z|^2 is the trace of W (sum of z z') W'.
        second, _, _ = others.around(model.mean)
        total = float(np.einsum("ij,ij->", model.basis @ second, model.basis))
        return -0.5 * (total + others.n * model.log_determinant())

    def _lent(self, source_weight: float) -> int:
        """How many rows of the source take part."""
        return 0 if self.source is None or source_weight == 0.0 else len(self.source)

    def _moments(self, fitted: Mask) -> Moments:
        """Of rows of the pool, at least one.

        Where rows are made anew whenever they are asked for, those left out are taken off the
        moments of all, if they are fewer; and what was asked for last is remembered.
        """
        if not isinstance(self.pool, FarRows):
            return _moments_of(self.pool, fitted)
        key = fitted.tobytes()
        if key not in self._last:
            found = self._of_many(fitted)
            while len(self._last) > 1:
                del self._last[next(iter(self._last))]
            self._last[key] = found
        return self._last[key]

    def _of_many(self, fitted: Mask) -> Moments:
        if 2 * int(fitted.sum()) > len(fitted):
            found = self._everybody.without(_moments_of(self.pool, ~fitted))
            if float(found.squares) >= _LEAST_LEFT * float(self._everybody.squares):
                return found
        return _moments_of(self.pool, fitted)

    @cached_property
    def _last(self) -> dict[bytes, Moments]:
        """Two sets of rows, as two halves are fitted to and held out in turn."""
        return {}

    @cached_property
    def _everybody(self) -> Moments:
        return _moments_of(self.pool)

    @cached_property
    def _source_moments(self) -> Moments:
        assert self.source is not None
        return _moments_of(self.source)

    @cached_property
    def _products(self) -> Array | None:
        """Inner products of the source's deviations and the pool; None where they are too many."""
        m, (n, dim) = 0 if self.source is None else len(self.source), self.pool.shape
        # More than that cost more than they save.
        if n + m > 2 * dim:
            return None
        pool = self.pool[:]
        # The nearer the centre, the less is lost when a mean is taken off the products.
        rows = pool - pool.mean(axis=0)
        if self.source is not None:
            source = self.source[:]
            rows = np.concatenate([source - source.mean(axis=0), rows])
        return np.asarray(rows @ rows.T)

    @cached_property
    def _squared_length(self) -> float:
        return float(np.square(self.pool[:]).sum(axis=1).mean())

    def _too_near(self, squares: Array, weights: Array) -> bool:
        """Whether rows of such squared lengths vary too little for products to have digits left."""
        spread = float(np.average(squares, weights=weights))
        return spread <= _LEAST_SPREAD * self._squared_length

    def _centred(self, fitted: Mask, scored: Mask, m: int) -> _Products | None:
        """Of m source rows and fitted rows of the pool, on whose mean the pool is centred."""
        products = self._products
        if products is None:
            return None
        first = len(products) - len(self.pool)
        ours, theirs = first + np.flatnonzero(fitted), first + np.flatnonzero(scored)
        rows = np.concatenate([np.arange(m), ours])
        # Products with the mean; of a row of the pool it is taken off, and the source has its own.
        to_mean = products[rows] @ np.isin(np.arange(len(products)), ours) / len(ours)
        length = float(to_mean[m:].mean())
        own = products[theirs] @ np.isin(np.arange(len(products)), ours) / len(ours) - length
        among = products[np.ix_(rows, rows)]
        among[m:, :m] -= to_mean[:m]
        among[:m, m:] -= to_mean[:m, None]
        among[m:, m:] -= to_mean[m:, None] + (to_mean[m:] - length)
        between = products[np.ix_(rows, theirs)] - to_mean[:, None]
        between[m:] -= own
        return _Products(among, between, np.diagonal(products)[theirs] - 2.0 * own - length)


def _moments_of(rows: Array, chosen: Mask | None = None) -> Moments:
    """Of rows, or those of a mask alone."""
    return merged(Moments.of(block) for block in chain(blocks(rows, chosen), [rows[:0]]))


class _Products(NamedTuple):
    """Inner products of r fitted and s scored rows.

    Attributes:
        among: (r, r) of the fitted rows.
        between: (r, s) of fitted with scored rows.
        lengths: (s,) squared lengths of the scored rows.
    """

    among: Array
    between: Array
    lengths: Array


def _from_products(
    found: _Products, weights: Array, *, dim: int, shrinkage: Shrinkage
) -> tuple[Array, float]:
    """What :func:`twofold.densities.fit_gaussian` would say, of products alone.

    Args:
        found: of fewer fitted rows than dimensions; they are overwritten.
        weights: (r,), of the fitted rows.
        dim: of the rows.
        shrinkage: its kind.
    """
    scatter, between, lengths = found
    squares, roots, total = np.diagonal(scatter).copy(), np.sqrt(weights), float(weights.sum())
    if (weights != 1.0).any():
        scatter *= roots[:, None]
        scatter *= roots
        between *= roots[:, None]
    scatter /= total
    intensity = scatter_shrinkage(scatter, squares, weights, dim=dim, shrinkage=shrinkage)
    lower, floor, ridge = span_factor(scatter, intensity, total, dim=dim)
    inside = linalg.solve_triangular(lower, between, lower=True, check_finite=False)
    distances = np.maximum(lengths - np.einsum("rs,rs->s", inside, inside), 0.0) / floor
    log_determinant = (
        dim * np.log(floor) + 2.0 * np.log(np.diagonal(lower)).sum() - len(lower) * np.log(ridge)
    )
    return np.asarray(distances), float(log_determinant)
