"""Decision thresholds at a stated false-alarm rate, without a single label."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.thresholds._rates import check_rate
from twofold.thresholds.calibration import Calibration, Origin, Rule

if TYPE_CHECKING:
    from scipy import special
else:
    special = deferred("scipy.special")

__all__ = [
    "Threshold",
    "conformal_quantile",
    "fit_threshold",
    "images_needed",
    "percentiles",
    "realised_rate_interval",
]

Array = NDArray[np.float64]

# Share of pools whose realised rate lies in the stated interval.
_COVERED = 0.95
# Absorbs the rounding of decimal rates such as 0.05.
_ROUNDING = 1e-9


@dataclass(frozen=True, eq=False)
class Threshold(float):
    """A decision rule: anomalous if the score is larger than ``value``, which it is as a number.

    Attributes:
        value: on the scale of the scores.
        false_alarm_rate: at most this share of normal images is above it, on average over pools.
        requested_rate: what was asked for; smaller than ``false_alarm_rate`` where the images
            cannot support it, and the threshold is then the strictest they allow.
        interval: (low, high): the realised share of normal images above it, in 95% of pools. The
            low end is that of a pool without anomalies; with them the share may be lower.
        origin: ``target``: calibrated on the pool; ``source``: on source normals, so that the rate
            holds for the source and only hopefully for the target.
        rule: ``pool`` or ``tail``, see :class:`twofold.thresholds.Calibration`.
        n_images: calibration images.
        n_groups: independent ones among them: copies and images of one group count once.
        n_kept: of these, the ones that do not lie surely beyond the normals.
    """

    value: float
    false_alarm_rate: float
    requested_rate: float
    interval: tuple[float, float]
    origin: Origin
    rule: Rule
    n_images: int
    n_groups: int
    n_kept: int

    def __new__(cls, value: float, *_: object, **__: object) -> Threshold:
        """The number is the first field; the dataclass keeps the others."""
        return super().__new__(cls, value)

    @property
    def note(self) -> str | None:
        """Why the rate is not the one that was asked for, in one line; None where it is."""
        if self.false_alarm_rate <= self.requested_rate:
            return None
        needed = images_needed(self.requested_rate)
        return (
            f"a false-alarm rate of {self.requested_rate:g} needs {needed} independent "
            f"{self.origin} images that may be normal, and there are {self.n_kept}: the threshold "
            f"is the strictest that they allow, for a rate of {self.false_alarm_rate:.3g}"
        )


def images_needed(false_alarm_rate: float) -> int:
    """Fewest normals from which a rate can be guaranteed: 1 / rate - 1, rounded up.

    Raises:
        ConfigError: the rate is not strictly between 0 and 1.
    """
    check_rate(false_alarm_rate, "false_alarm_rate")
    # Of a rate near the least float the quotient is infinite: more than any set has, all the same.
    exact = min((1.0 - false_alarm_rate) / false_alarm_rate, float(sys.maxsize))
    return math.ceil(exact - _ROUNDING)


def conformal_quantile(calibration: Calibration, false_alarm_rate: float) -> float:
    """The split-conformal threshold: the ceil((n + 1)(1 - rate))-th smallest score.

    A further score exchangeable with these exceeds it with probability at most ``rate``, whatever
    their distribution (Vovk et al. 2005; Lei et al. 2018); of groups, each of which counts as one
    score, a further image of a further group (Lee, Barber & Willett 2023, hierarchical conformal
    prediction). Anomalies among the scores can only raise it, as long as they score at least as
    high as normals do (Bashari et al. 2025). Of fewer scores than the rate needs, the largest one.

    Args:
        calibration: scores and weights.
        false_alarm_rate: in (0, 1).
    """
    check_rate(false_alarm_rate, "false_alarm_rate")
    reached = np.cumsum(calibration.weights)
    wanted = (calibration.n_groups + 1) * (1.0 - false_alarm_rate)
    place = int(np.searchsorted(reached, wanted - _ROUNDING * max(wanted, 1.0), side="left"))
    return float(calibration.scores[min(place, len(reached) - 1)])


def realised_rate_interval(calibration: Calibration, threshold: float) -> tuple[float, float]:
    """Where the realised false-alarm rate of a threshold at one of the scores lies.

    The share of normals beyond the k-th smallest of n scores has the distribution Beta(n + 1 - k,
    k) (Vovk 2012), all images of the pool taken for normal; anomalies that score high leave the
    upper end valid.

    Args:
        calibration: scores and weights.
        threshold: at or above one of the scores.

    Returns:
        The central 95%, each in [0, 1].
    """
    n = float(calibration.n_groups)
    above = float(calibration.above(np.array([threshold]))[0])
    side = (1.0 - _COVERED) / 2.0
    if above >= n:
        return 1.0, 1.0
    low, high = special.betaincinv(above + 1.0, n - above, np.array([side, 1.0 - side]))
    return float(low), float(high)


def fit_threshold(calibration: Calibration, false_alarm_rate: float) -> Threshold:
    """The threshold for a rate, or the strictest that the images allow.

    Args:
        calibration: out-of-sample scores of a pool or of the source.
        false_alarm_rate: in (0, 1).

    Raises:
        ConfigError: the rate is not strictly between 0 and 1.
    """
    check_rate(false_alarm_rate, "false_alarm_rate")
    rate = float(false_alarm_rate)
    kept, spent = calibration.kept_for(rate)
    # Above the threshold lie the rest of the rate of normals, and those among the surely odd.
    stated = max(rate, 1.0 / (kept.n_groups + 1) + spent)
    value = min(
        conformal_quantile(found, rate - used)
        for found, used in ((kept, spent), (calibration, 0.0))
    )
    return Threshold(
        value=value,
        false_alarm_rate=stated,
        requested_rate=rate,
        # Were the surely odd normal, the rate would be the pool's.
        interval=(
            realised_rate_interval(kept, value)[0],
            realised_rate_interval(calibration, value)[1],
        ),
        origin=calibration.origin,
        rule=calibration.rule,
        n_images=len(calibration.scores),
        n_groups=calibration.n_groups,
        n_kept=kept.n_groups,
    )


def percentiles(scores: NDArray[np.floating], calibration: Calibration) -> Array:
    """Share of the calibration images that score no higher, in percent, float64 (m,) in [0, 100].

    Args:
        scores: (m,), not NaN.
        calibration: scores and weights.
    """
    total = float(calibration.weights.sum())
    shares = 100.0 * (1.0 - calibration.above(scores) / total)
    return np.asarray(np.clip(shares, 0.0, 100.0))
