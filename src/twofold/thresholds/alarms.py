"""How many of a set of images a threshold flags by mistake."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from twofold.deferred import deferred
from twofold.errors import UsageError
from twofold.thresholds.calibration import Calibration
from twofold.thresholds.conformal import Threshold

if TYPE_CHECKING:
    from scipy import special
else:
    special = deferred("scipy.special")

__all__ = ["FalseAlarms", "false_alarms"]

_LEVEL = 0.95
# Images whose false alarms are counted one by one. Of more, their share varies a little less than
# that of so many, so that an interval in proportion is a little too wide, and takes no longer.
_COUNTED = 20_000


@dataclass(frozen=True)
class FalseAlarms:
    """Normal images that a threshold flags among some new ones.

    Attributes:
        expected: at most so many on average, if every new image is normal.
        low: lower end of the 95% interval, if every new image is normal; the true number is lower
            where some are anomalous, or where anomalies of the pool have raised the threshold.
        high: upper end, which holds in either case.
    """

    expected: float
    low: int
    high: int


def false_alarms(calibration: Calibration, threshold: Threshold, n_images: int) -> FalseAlarms:
    """The number of false alarms among new images.

    The share of normals beyond a calibrated threshold is a draw from a beta distribution (Vovk
    2012; see :func:`twofold.thresholds.realised_rate_interval`), and the number among n new normals
    given the share is binomial: together a beta-binomial distribution. As with the interval of a
    threshold, its low end takes those for normal that do not lie surely beyond the normals, and its
    high end the whole calibration. Of more than 20,000 images the ends are those of 20,000 in
    proportion, which is slightly too wide.

    Args:
        calibration: out-of-sample scores and weights.
        threshold: fitted to them.
        n_images: new images.

    Raises:
        UsageError: a negative number of images.
    """
    if n_images < 0:
        raise UsageError(f"{n_images} images are none")
    kept, _ = calibration.kept_for(threshold.requested_rate)
    side = (1.0 - _LEVEL) / 2.0
    return FalseAlarms(
        threshold.false_alarm_rate * n_images,
        math.floor(_quantile(kept, threshold.value, n_images, side)),
        math.ceil(_quantile(calibration, threshold.value, n_images, 1.0 - side)),
    )


def _quantile(calibration: Calibration, threshold: float, n: int, share: float) -> float:
    """The smallest number that as many false alarms or fewer have this probability.

    Of more than :data:`_COUNTED` images in proportion, and no longer a whole number.
    """
    groups = float(calibration.n_groups)
    above = float(calibration.above(np.array([threshold]))[0])
    if above >= groups:
        return n
    counted = min(n, _COUNTED)
    found = _beta_binomial_quantile(counted, above + 1.0, groups - above, share)
    return found if counted == n else found / counted * n


def _beta_binomial_quantile(n: int, one: float, other: float, share: float) -> int:
    """As ``scipy.stats.betabinom(n, one, other).ppf(share)``, in O(n) with one logarithm each."""
    k = np.arange(n, dtype=np.float64)
    # Each probability over the one before it.
    ratios = (n - k) * (k + one) / ((k + 1.0) * (n - k - 1.0 + other))
    log_first = float(special.betaln(one, n + other) - special.betaln(one, other))
    log_pmf = log_first + np.concatenate([[0.0], np.cumsum(np.log(ratios))])
    reached = np.cumsum(np.exp(log_pmf))
    return min(int(np.searchsorted(reached, share, side="left")), n)
