"""How many of a set of images a threshold flags by mistake."""

from __future__ import annotations

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
    high end the whole calibration.

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
        _quantile(kept, threshold.value, n_images, side),
        _quantile(calibration, threshold.value, n_images, 1.0 - side),
    )


def _quantile(calibration: Calibration, threshold: float, n: int, share: float) -> int:
    """The smallest number that as many false alarms or fewer have this probability."""
    groups = float(calibration.n_groups)
    above = float(calibration.above(np.array([threshold]))[0])
    if above >= groups:
        return n
    k = np.arange(n + 1)
    one, other = above + 1.0, groups - above
    log_pmf = (
        special.gammaln(n + 1)
        - special.gammaln(k + 1)
        - special.gammaln(n - k + 1)
        + special.betaln(k + one, n - k + other)
        - special.betaln(one, other)
    )
    reached = np.cumsum(np.exp(log_pmf))
    return min(int(np.searchsorted(reached, share, side="left")), n)
