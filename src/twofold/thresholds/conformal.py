"""Decision thresholds at a stated false-alarm rate, without a single label."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twofold.errors import NotEnoughImagesError
from twofold.thresholds._rates import check_rate
from twofold.thresholds.contamination import LEAST_SCORES, Contamination, estimate_contamination

__all__ = [
    "Threshold",
    "conformal_quantile",
    "fit_threshold",
    "images_needed",
    "lower_spread",
    "percentiles",
    "pool_contamination",
    "presumed_normal",
    "upper_tail",
]

Array = NDArray[np.float64]

# The cut of the robust bulk: in a pool without anomalies it loses 0.5% of the images.
_CUT = 0.995
# The point that belongs to the normals while anomalies are up to 30% of a pool.
_INNER = 0.7
# Beyond this point of the normals' distribution anomalies are counted.
_FAR = 0.98


@dataclass(frozen=True, eq=False)
class Threshold(float):
    """A decision rule: anomalous if the score is larger than ``value``, which it is as a number.

    Attributes:
        value: on the scale of the scores.
        false_alarm_rate: stated share of normal images above it.
        origin: ``target``: calibrated on the pool's presumed normals; ``source``: on source
            normals, so that the rate holds for the source and only hopefully for the target.
        n_presumed: presumed normals it rests on.
        presumed_share: their share of the calibration images, in (0, 1].
        contamination: (low, share, high), the estimated share of anomalies among the calibration
            images; zeros for a source.
        rate_bound: in (0, 1]: a new normal image is called anomalous with at most this
            probability, wherever the anomalies score, as long as they are at most the high end.
    """

    value: float
    false_alarm_rate: float
    origin: Literal["target", "source"]
    n_presumed: int
    presumed_share: float
    contamination: tuple[float, float, float]
    rate_bound: float

    def __new__(cls, value: float, *_: object, **__: object) -> Threshold:
        """The number is the first field; the dataclass keeps the others."""
        return super().__new__(cls, value)


def images_needed(false_alarm_rate: float) -> int:
    """Fewest normals from which a rate can be guaranteed: 1 / rate - 1, rounded up.

    Raises:
        ConfigError: the rate is not strictly between 0 and 1.
    """
    check_rate(false_alarm_rate, "false_alarm_rate")
    # Of a rate near the least float the quotient is infinite: more than any set has, all the same.
    exact = min((1.0 - false_alarm_rate) / false_alarm_rate, float(sys.maxsize))
    # 1e-9 absorbs the rounding of decimal rates such as 0.05.
    return math.ceil(exact - 1e-9)


def _remedy(n: int) -> str:
    """What to do about too few normals: more images, or the least rate that n of them allow."""
    if not n:
        return "give more images"
    # Rounded up, so that it is allowed as printed.
    least = math.ceil(1000 / (n + 1) - 1e-9) / 1000
    return f"give more images or ask for a rate of at least {least:.3f}"


def conformal_quantile(scores: Array, false_alarm_rate: float) -> float:
    """The split-conformal threshold: the ceil((n + 1)(1 - rate))-th smallest score.

    A further score exchangeable with these exceeds it with probability at most ``rate``, whatever
    their distribution (Vovk et al. 2005; Lei et al. 2018).

    Args:
        scores: float64 (n,) of normals, out of sample.
        false_alarm_rate: in (0, 1).

    Raises:
        NotEnoughImagesError: fewer than :func:`images_needed` scores.
    """
    needed = images_needed(false_alarm_rate)
    n = len(scores)
    if n < needed:
        raise NotEnoughImagesError(
            f"a false-alarm rate of {false_alarm_rate:g} needs at least {needed} presumed normal "
            f"images, got {n}: {_remedy(n)}"
        )
    rank = math.ceil((n + 1) * (1.0 - false_alarm_rate) - 1e-9)
    return float(np.sort(scores)[min(rank, n) - 1])


def presumed_normal(scores: Array, tail: float = 1.0) -> NDArray[np.bool_]:
    """The bulk of a contaminated sample, judged by its clean lower half.

    Anomalies score high, so the median and the spread below it belong to the normals as long as
    they are the clear majority. On the logarithmic scale (for positive scores, where squared
    distances are close to symmetric) everything up to the 99.5% point of the normal distribution
    with that centre and spread is presumed normal: the reweighting step of robust estimation.

    Args:
        scores: float64 (n,), larger = more anomalous.
        tail: how much longer the upper half of normals is than the lower, see :func:`upper_tail`.

    Returns:
        bool (n,), at least half of them True.
    """
    if not len(scores):
        return np.zeros(0, dtype=np.bool_)
    values = np.log(scores) if (scores > 0).all() else scores
    center, spread = lower_spread(values)
    return np.asarray(values <= center + norm.ppf(_CUT) * tail * spread)


def _require_one(values: Array, what: str, of: str = "image") -> None:
    if not len(values):
        raise NotEnoughImagesError(f"{what} at least 1 {of}, got 0")


def lower_spread(values: Array) -> tuple[float, float]:
    """Median, and the distance down to the point that one sixth lies below.

    One standard deviation of a normal distribution, from the side that anomalies hardly touch.

    Args:
        values: float64 (n,), most of them of normals.

    Raises:
        NotEnoughImagesError: no value.
    """
    _require_one(values, "the spread of scores needs")
    center = float(np.median(values))
    return center, center - float(np.quantile(values, norm.cdf(-1.0)))


def upper_tail(scores: Array) -> float:
    """How much farther the pool's normals reach above their median than below it, at least 1.

    The largest of many patch distances leans to the right even on a logarithmic scale, and a pool
    cannot tell a long tail of normals from anomalies by its ends. Its inner part can: the spread
    between the normals' median and their 70% point, relative to the spread below. Both quantiles
    are those of the lowest ``1 - share`` of the scores, where the share of anomalies beyond the
    normals' tail is estimated under that tail (Storey 2002), until the two agree.

    Args:
        scores: float64 (n,) of a pool, out of sample.

    Returns:
        The ratio; 1 where half of the scores are copies.

    Raises:
        NotEnoughImagesError: no score.
    """
    _require_one(scores, "the tail of scores needs")
    values = np.sort(np.log(scores) if (scores > 0).all() else scores)
    share = tail = 0.0
    for _ in range(20):
        center, lower, upper = np.quantile(
            values, np.array([0.5, norm.cdf(-1.0), _INNER]) * (1.0 - share)
        )
        if center <= lower:
            return 1.0
        tail = max(1.0, float((upper - center) / norm.ppf(_INNER) / (center - lower)))
        beyond = float((values > center + norm.ppf(_FAR) * tail * (center - lower)).mean())
        before, share = share, float(np.clip((beyond + _FAR - 1.0) / _FAR, 0.0, 0.5))
        if abs(share - before) < 1e-3:
            break
        # Half a step: the two pull against each other, and a whole one may swing for ever.
        share = 0.5 * (share + before)
    return tail


def fit_threshold(
    scores: Array,
    false_alarm_rate: float,
    origin: Literal["target", "source"],
    *,
    random_state: int = 0,
) -> tuple[Threshold, Array]:
    """Threshold from out-of-sample scores of a pool or of the source.

    Args:
        scores: float64 (n,); a target pool's may hold anomalies, a source's holds none.
        false_alarm_rate: in (0, 1).
        origin: see :class:`Threshold`.
        random_state: of the resamples of the estimated contamination.

    Returns:
        The threshold, and the sorted scores of the presumed normals.

    Raises:
        NotEnoughImagesError: too few presumed normals for the rate.
    """
    needed = images_needed(false_alarm_rate)
    n = len(scores)
    tail = upper_tail(scores) if origin == "target" and n else 1.0
    presumed = scores[presumed_normal(scores, tail)] if origin == "target" else scores
    if len(presumed) < needed:
        raise NotEnoughImagesError(
            f"a false-alarm rate of {false_alarm_rate:g} needs at least {needed} presumed normal "
            f"{origin} images, got {len(presumed)} of {n}: {_remedy(len(presumed))}"
        )
    found = Contamination(0.0, 0.0, 0.0)
    if origin == "target":
        found = pool_contamination(scores, tail=tail, random_state=random_state)
    value = conformal_quantile(presumed, false_alarm_rate)
    threshold = Threshold(
        value=value,
        false_alarm_rate=false_alarm_rate,
        origin=origin,
        n_presumed=len(presumed),
        presumed_share=len(presumed) / n,
        contamination=(found.low, found.share, found.high),
        rate_bound=_rate_bound(np.sort(scores), value, found.high),
    )
    return threshold, np.sort(presumed)


def pool_contamination(scores: Array, *, tail: float, random_state: int) -> Contamination:
    """The estimated share of anomalies in a pool, allowing for the normals' upper tail.

    Args:
        scores: float64 (n,), out of sample.
        tail: see :func:`upper_tail`; what lies above the median is drawn in by it.
        random_state: of the resamples.

    Returns:
        The estimate; of fewer than ten scores nothing can be said but that normals prevail.
    """
    if len(scores) < LEAST_SCORES:
        return Contamination(0.0, 0.0, 0.5)
    positive = bool((scores > 0).all())
    values = np.log(scores) if positive else np.asarray(scores, dtype=np.float64)
    center = np.median(values)
    values = np.where(values > center, center + (values - center) / tail, values)
    return estimate_contamination(np.exp(values) if positive else values, random_state=random_state)


def _rate_bound(ordered: Array, value: float, contamination: float) -> float:
    """The rate at which the whole pool exceeds the threshold, all of it laid on the normals.

    P(score > t) of the pool is at least (1 - contamination) times that of its normals.
    """
    n = len(ordered)
    above = n - int(np.searchsorted(ordered, value, side="right"))
    if contamination >= 1:
        return 1.0
    return min((above + 1) / (n + 1) / (1.0 - contamination), 1.0)


def percentiles(scores: Array, reference: Array) -> Array:
    """Share of presumed normals that score no higher, in percent.

    Args:
        scores: float64 (n,).
        reference: float64 (m,), sorted.

    Returns:
        float64 (n,) in [0, 100].

    Raises:
        NotEnoughImagesError: an empty reference.
    """
    _require_one(reference, "percentiles need", "reference image")
    ranks = np.searchsorted(reference, scores, side="right")
    return np.asarray(100.0 * ranks / len(reference), dtype=np.float64)
