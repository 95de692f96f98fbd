"""What marks teach a detector: a direction among whole images, as far as the marks bear it out."""

from __future__ import annotations

from dataclasses import dataclass
from math import comb
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.marks._checks import checked_marks
from twofold.marks.logistic import LogisticFit, fit_logistic, log_loss

__all__ = ["STRENGTHS", "Correction", "fit_correction"]

Array = NDArray[np.float64]

STRENGTHS = (0.3, 1.0, 3.0, 10.0)
"""Prior variances of the logit along the direction, in a typical normal image; half decades."""
# Marks of the rarer kind from which on a slope has its full say: ten events a variable, the usual
# rule for logistic regression (Peduzzi et al. 1996). With fewer it has as much of it as there are
# pairs of them: what they have in common shows in pairs, and three have much in common by chance.
_FULL_SAY = 10
# Presumed normals that stand beside the marks. More say little that these do not, and cost cubes.
_MOST_PRESUMED = 300
# All of them together count half as much as the marks: a wrong presumption is outvoted.
_PRESUMED_SHARE = 0.5


@dataclass(frozen=True)
class Correction:
    """The log odds of being marked anomalous, from a detector's score and an image's vector.

    Attributes:
        center: of the detector's scores, their median over the pool.
        spread: of these, from their quartiles.
        slope: of the standardised score in the log odds.
        mean: float64 (d,), of the vectors of presumed normals.
        direction: float64 (d,), along which marks say that images become anomalous.
        intercept: of the log odds.
        without: weight of the fits without a direction, in [0, 1].
        views: float64 (v,), slopes of how far each view of the detector lies above its score.
    """

    center: float
    spread: float
    slope: float
    mean: Array
    direction: Array
    intercept: float
    without: float
    views: Array

    def scores(self, scores: Array, vectors: Array, views: Array | None = None) -> Array:
        """Corrected scores, float64 (n,), larger = more anomalous.

        Args:
            scores: float64 (n,), of the detector.
            vectors: float64 (n, d), of the same images.
            views: float64 (n, v), what each view says of them; needed where the fit had them.

        Raises:
            UsageError: there are not as many views as in the fit.
        """
        own = (np.asarray(scores, dtype=np.float64) - self.center) / self.spread
        apart = _apart(scores, views, self.spread)
        if apart.shape[1] != len(self.views):
            raise UsageError(f"{apart.shape[1]} views, but the fit had {len(self.views)}")
        # Row by row, so that an image's bits do not depend on its neighbours.
        along = np.einsum("nd,d->n", vectors - self.mean, self.direction)
        along += np.einsum("nv,v->n", apart, self.views)
        return np.asarray(self.intercept + self.slope * own + along)


def fit_correction(
    scores: Array,
    vectors: Array,
    marks: NDArray[np.floating],
    presumed: NDArray[np.bool_],
    *,
    views: Array | None = None,
    random_state: int = 0,
) -> Correction | None:
    """Learn from marks how images of these become anomalous.

    Logistic regression of the marks on the standardised score, whose slope is presumed to be 1,
    and on the vector, whose direction is presumed to be nothing: normal priors, of variance 1 for
    the slope and of one of :data:`STRENGTHS` for the direction. Images that are asked for by their
    score need no weights for that, as the score is among what is fitted. Presumed normals stand
    beside the marks as normal, together with half their weight.

    Where the score is a mixture of views, how far each of them lies above the mixture has a slope
    too, presumed to be nothing, of variance 1: moving all weight to one view takes a slope of 1.

    How strong the direction may be, and whether views are to be mixed anew, the marks say
    themselves: fits of all strengths and one without a direction, each with and without views, are
    averaged with weights by the likelihood of each mark under the fit without it (pseudo-BMA; Yao
    et al. 2018, Bayesian Analysis 13). Beforehand fits without a direction have half of the weight,
    and so have those without views. With k < 10 marks of the rarer kind the others have
    k (k - 1) / 90 of theirs: k marks make so many pairs of the 45 that ten make.

    Args:
        scores: float64 (n,), of the detector, out of sample, of pool and marked images.
        vectors: float64 (n, d), normalised, of the same images.
        marks: float (n,): 1 anomalous, 0 normal, NaN not marked.
        presumed: bool (n,), images without a mark that are presumed normal.
        views: float64 (n, v), out of sample, on the scale of the scores, which are weighted means
            of them; None or v = 0 of a score without parts.
        random_state: of the draw among these, where there are more than 300.

    Returns:
        None where marks of one kind are missing: they say nothing about a direction.

    Raises:
        UsageError: lengths differ, or marks have other values.

    Cost O(m^3) for m marks and at most 300 presumed normals.
    """
    known = checked_marks(marks, len(scores))
    apart = _apart(scores, views, 1.0)
    if not len(vectors) == len(scores) == len(apart) or presumed.shape != known.shape:
        raise UsageError(
            "scores, vectors, views, marks and presumed normals must be of the same images"
        )
    marked = np.flatnonzero(~np.isnan(known))
    if len(np.unique(known[marked])) < 2:
        return None
    rows = np.append(marked, _drawn(np.flatnonzero(presumed & np.isnan(known)), random_state))
    labels = np.nan_to_num(known[rows])
    center, spread = _scale(scores)
    own = (scores[rows] - center) / spread
    mean = vectors[rows][labels == 0].mean(axis=0)
    away = vectors[rows] - mean
    # Of vectors that are all alike there are no directions.
    typical = float(np.square(away[labels == 0]).sum(axis=1).mean()) or 1.0
    apart = apart[rows] / spread
    counts = _counts(len(marked), len(rows))
    fits = _fits(own, away @ away.T / typical, apart @ apart.T, labels, counts)
    weights = _weights(fits, labels, len(marked))
    duals = np.array([fit.found.dual for fit in fits])
    strengths = np.array([fit.strength for fit in fits])
    return Correction(
        center=center,
        spread=spread,
        slope=1.0 + float(weights @ (duals @ own)),
        mean=mean,
        direction=((weights * strengths) @ duals) @ away / typical,
        intercept=float(weights @ [fit.found.intercept for fit in fits]),
        without=float(weights[strengths == 0].sum()),
        views=((weights * [fit.anew for fit in fits]) @ duals) @ apart,
    )


def _apart(scores: Array, views: Array | None, spread: float) -> Array:
    """How far each view lies above the score, float64 (n, v), in spreads of the scores."""
    if views is None:
        return np.empty((len(scores), 0))
    return np.asarray((views - np.asarray(scores)[:, None]) / spread, dtype=np.float64)


def _scale(scores: Array) -> tuple[float, float]:
    """Median, and the standard deviation that a normal distribution of these quartiles has."""
    low, median, high = np.quantile(scores, [0.25, 0.5, 0.75])
    return float(median), float(high - low) / 1.349 or 1.0


def _drawn(presumed: NDArray[np.intp], random_state: int) -> NDArray[np.intp]:
    """All, or as many as may be."""
    if len(presumed) <= _MOST_PRESUMED:
        return presumed
    generator = np.random.default_rng(random_state)
    return np.sort(generator.choice(presumed, _MOST_PRESUMED, replace=False))


def _counts(n_marked: int, n: int) -> Array:
    """What each row counts for: a mark 1, a presumed normal at most as much."""
    n_presumed = max(n - n_marked, 1)
    share = min(_PRESUMED_SHARE * n_marked / n_presumed, 1.0)
    return np.where(np.arange(n) < n_marked, 1.0, share)


class _Fit(NamedTuple):
    """A regression of the marks.

    Attributes:
        strength: prior variance along the direction; 0 without one.
        anew: that of the slopes of the views; 0 without them.
        found: the fit.
    """

    strength: float
    anew: float
    found: LogisticFit


def _fits(
    own: Array, directions: Array, views: Array, labels: Array, counts: Array
) -> tuple[_Fit, ...]:
    """Of all strengths, each with and without the views.

    Args:
        own: (r,), standardised scores of the rows.
        directions: (r, r), inner products of their vectors.
        views: (r, r), of what their views say beyond the score.
        labels: (r,), 1 anomalous.
        counts: (r,), what each row counts for.
    """
    mixed = (0.0, 1.0) if views.any() else (0.0,)
    plain = np.outer(own, own)
    return tuple(
        _Fit(
            strength,
            anew,
            fit_logistic(plain + strength * directions + anew * views, labels, counts, own),
        )
        for anew in mixed
        for strength in (0.0, *STRENGTHS)
    )


def _weights(fits: tuple[_Fit, ...], labels: Array, n_marked: int) -> Array:
    """Of the fits, by the likelihood of each mark (the first rows) without it.

    Args:
        fits: of all kinds.
        labels: (r,), 1 anomalous.
        n_marked: how many rows are marks.
    """
    losses = np.array([log_loss(fit.found.left_out, labels)[:n_marked].sum() for fit in fits])
    n_odd = int(labels[:n_marked].sum())
    # Half at most, for a direction and for views alike.
    share = 0.5 * min(comb(min(n_odd, n_marked - n_odd), 2) / comb(_FULL_SAY, 2), 1.0)
    beforehand = np.array([_prior(fit.strength, share) * _prior(fit.anew, share) for fit in fits])
    beforehand[[fit.strength > 0 for fit in fits]] /= len(STRENGTHS)
    weights = beforehand * np.exp(losses.min() - losses)
    return np.asarray(weights / weights.sum())


def _prior(variance: float, share: float) -> float:
    """Of a fit with or without a freedom, whose variance is 0 without it."""
    return share if variance else 1.0 - share
