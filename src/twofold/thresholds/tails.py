"""How far normals reach, read off the inner part of a contaminated pool's scores."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred

if TYPE_CHECKING:
    from scipy import special
else:
    special = deferred("scipy.special")

__all__ = ["Tail", "fit_tail"]

Array = NDArray[np.float64]

# The part of the normals from which their decline is read: above the median, as scores lean to the
# right, and below their highest fifth, which a fifth of anomalies beyond them leaves alone.
_INNER, _OUTER = 0.5, 0.8
# One-sided 95% for everything that is estimated, and the normal quantile of it.
_COVERED, _SURE = 0.95, 1.6448536269514722
# Fewer anomalies than this cannot be told from a heavy tail: Student's distribution with two
# degrees of freedom, whose variance is infinite, exceeds its own bound by 1.2%.
_LEAST = 0.015


@dataclass(frozen=True)
class Tail:
    """An exponential bound on the share of normals that score higher.

    Attributes:
        start: score from which it holds.
        reach: distance over which the bound falls by the factor e.
        share: of normals above ``start``.
    """

    start: float
    reach: float
    share: float

    def exceeding(self, scores: NDArray[np.floating]) -> Array:
        """At most this share of normals scores higher, float64 (m,) in (0, 1]."""
        beyond = np.asarray(scores, dtype=np.float64) - self.start
        bound = self.share * np.exp(-np.maximum(beyond, 0.0) / self.reach)
        return np.where(beyond < 0, 1.0, bound)

    def quantile(self, rate: float) -> float:
        """The score that at most a share ``rate`` of normals exceeds."""
        if rate >= self.share:
            return self.start
        return self.start + self.reach * math.log(self.share / rate)


def fit_tail(ordered: Array, weights: Array, *, least: float = _LEAST) -> Tail | None:
    """Bound the normals' upper tail, whatever anomalies lie in it.

    The presumption: above the pool's centre the density of normal scores falls at least
    exponentially, as every log-concave one does (normal, logistic, gamma, Gumbel; of scores on a
    logarithmic scale also Pareto). Then the share of normals above x is at most that above u times
    exp(-h (x - u)), with h the hazard at u (Barlow & Proschan 1965, increasing hazard rates), here
    the mean hazard between the normals' 50% and 80% points. Anomalies in the tail make h look
    smaller and the bound higher. Those that exceed the bound by more than chance are at least so
    many anomalies; the points are then those of the lowest remaining share of the pool, until it
    stands still.

    Not so: a second kind of normals with high scores, which passes for anomalies; and tails so
    heavy that they have no mean.

    Args:
        ordered: (n,) ascending scores of a pool, out of sample.
        weights: (n,) of the same images, see :class:`twofold.thresholds.Calibration`.
        least: share of anomalies that must surely lie beyond the bound for it to be given.

    Returns:
        The bound; None where the inner part has no spread, or fewer lie beyond the bound. Cost
        O(n).
    """
    total = float(weights.sum())
    reached = np.minimum(np.cumsum(weights) / total, 1.0)
    above = 1.0 - reached
    # Of an exponential, the mean excess over k observations varies by 1 / sqrt(k) of itself.
    unsure = 1.0 + _SURE / math.sqrt(max((_OUTER - _INNER) * total, 1.0))
    anomalies = 0.0
    for _ in range(30):
        normals = 1.0 - anomalies
        inner, outer = np.interp([_INNER * normals, _OUTER * normals], reached, ordered)
        if outer <= inner:
            return None
        reach = float(outer - inner) / math.log((1.0 - _INNER) / (1.0 - _OUTER)) * unsure
        tail = Tail(float(outer), reach, 1.0 - _OUTER)
        outside = ordered >= outer
        expected = normals * tail.exceeding(ordered[outside])
        before = anomalies
        found = float(np.clip((above[outside] - expected).max(initial=0.0), 0.0, 0.5))
        # Half a step: the share and the bound pull against each other.
        anomalies = 0.5 * (before + found)
        if abs(found - before) < 1e-3:
            break
    # Just below a score, the score itself lies above.
    count = np.clip(total * above[outside] + weights[outside], 0.0, total)
    if (count / total - expected).max(initial=0.0) < least:
        return None  # what is surely there is less than what was found
    surely = special.betaincinv(count, total - count + 1.0, (1.0 - _COVERED) / 2.0)
    return tail if (surely - expected).max(initial=0.0) >= least else None
