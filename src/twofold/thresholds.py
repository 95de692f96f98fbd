"""Decision thresholds at a stated false-alarm rate, without a single label."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy.stats import norm

from twofold.errors import ConfigError, NotEnoughImagesError

__all__ = [
    "Threshold",
    "conformal_quantile",
    "fit_threshold",
    "images_needed",
    "percentiles",
    "presumed_normal",
]

Array = NDArray[np.float64]

# The cut of the robust bulk: in a pool without anomalies it loses 0.5% of the images.
_CUT = 0.995


@dataclass(frozen=True)
class Threshold:
    """A decision rule: anomalous if the score is larger than ``value``.

    Attributes:
        value: on the scale of the scores.
        false_alarm_rate: stated share of normal images above it.
        origin: ``target``: calibrated on the pool's presumed normals; ``source``: on source
            normals, so that the rate holds for the source and only hopefully for the target.
        n_presumed: presumed normals it rests on.
        presumed_share: their share of the calibration images, in (0, 1].
    """

    value: float
    false_alarm_rate: float
    origin: Literal["target", "source"]
    n_presumed: int
    presumed_share: float


def images_needed(false_alarm_rate: float) -> int:
    """Fewest normals from which a rate can be guaranteed: 1 / rate - 1, rounded up.

    Raises:
        ConfigError: the rate is not strictly between 0 and 1.
    """
    if not 0 < false_alarm_rate < 1:
        raise ConfigError(
            f"false_alarm_rate must lie strictly between 0 and 1, not {false_alarm_rate}"
        )
    # 1e-9 absorbs the rounding of decimal rates such as 0.05.
    return math.ceil((1.0 - false_alarm_rate) / false_alarm_rate - 1e-9)


def _possible_rate(n: int) -> str:
    """The least rate that n normals allow, rounded up so that it is allowed as printed."""
    return f"{math.ceil(1000 / (n + 1) - 1e-9) / 1000:.3f}"


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
            f"images, got {n}: give more images or ask for a rate of at least {_possible_rate(n)}"
        )
    rank = math.ceil((n + 1) * (1.0 - false_alarm_rate) - 1e-9)
    return float(np.sort(scores)[min(rank, n) - 1])


def presumed_normal(scores: Array) -> NDArray[np.bool_]:
    """The bulk of a contaminated sample, judged by its clean lower half.

    Anomalies score high, so the median and the spread below it belong to the normals as long as
    they are the clear majority. On the logarithmic scale (for positive scores, where squared
    distances are close to symmetric) everything up to the 99.5% point of the normal distribution
    with that centre and spread is presumed normal: the reweighting step of robust estimation.

    Args:
        scores: float64 (n,), larger = more anomalous.

    Returns:
        bool (n,); never empty for n >= 1.
    """
    values = np.log(scores) if (scores > 0).all() else scores
    center = np.median(values)
    spread = center - np.quantile(values, norm.cdf(-1.0))
    return np.asarray(values <= center + norm.ppf(_CUT) * spread)


def fit_threshold(
    scores: Array, false_alarm_rate: float, origin: Literal["target", "source"]
) -> tuple[Threshold, Array]:
    """Threshold from out-of-sample scores of a pool or of the source.

    Args:
        scores: float64 (n,); a target pool's may hold anomalies, a source's holds none.
        false_alarm_rate: in (0, 1).
        origin: see :class:`Threshold`.

    Returns:
        The threshold, and the sorted scores of the presumed normals.

    Raises:
        NotEnoughImagesError: too few presumed normals for the rate.
    """
    needed = images_needed(false_alarm_rate)
    presumed = scores[presumed_normal(scores)] if origin == "target" else scores
    if len(presumed) < needed:
        raise NotEnoughImagesError(
            f"a false-alarm rate of {false_alarm_rate:g} needs at least {needed} presumed normal "
            f"{origin} images, got {len(presumed)} of {len(scores)}: give more images or ask for "
            f"a rate of at least {_possible_rate(len(presumed))}"
        )
    threshold = Threshold(
        value=conformal_quantile(presumed, false_alarm_rate),
        false_alarm_rate=false_alarm_rate,
        origin=origin,
        n_presumed=len(presumed),
        presumed_share=len(presumed) / len(scores),
    )
    return threshold, np.sort(presumed)


def percentiles(scores: Array, reference: Array) -> Array:
    """Share of presumed normals that score no higher, in percent.

    Args:
        scores: float64 (n,).
        reference: float64 (m,), sorted, m >= 1.

    Returns:
        float64 (n,) in [0, 100].
    """
    ranks = np.searchsorted(reference, scores, side="right")
    return np.asarray(100.0 * ranks / len(reference), dtype=np.float64)
