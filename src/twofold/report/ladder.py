"""Thresholds at all the rates that a calibration can keep, and what each would flag by mistake."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from twofold.thresholds import Calibration, Threshold, false_alarms, fit_threshold

__all__ = ["MARKS", "Step", "ladder", "near"]

MARKS = (0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.2)
"""Rates that a reader may choose, where the calibration can keep them."""
_STEPS = 100
# Beyond, a threshold lies among the very middle of the normals.
_MOST = 0.6
_LEAST = 1e-9
# Part of the distance from the median calibration score to a threshold.
_NEAR = 0.2


@dataclass(frozen=True)
class Step:
    """One threshold.

    Attributes:
        rate: stated share of normal images above it.
        value: on the scale of the scores.
        expected: false alarms on average, if every new image is normal; at most.
        low: lower end of the 95% interval.
        high: upper end.
        mark: whether the rate is one of :data:`MARKS`.
    """

    rate: float
    value: float
    expected: float
    low: int
    high: int
    mark: bool = False

    @classmethod
    def of(cls, calibration: Calibration, threshold: Threshold, n_images: int) -> Step:
        """The step of a threshold for some new images."""
        found = false_alarms(calibration, threshold, n_images)
        return cls(
            threshold.false_alarm_rate,
            threshold.value,
            found.expected,
            found.low,
            found.high,
            threshold.requested_rate in MARKS
            and threshold.false_alarm_rate == threshold.requested_rate,
        )


def ladder(calibration: Calibration, n_images: int) -> tuple[Step, ...]:
    """Thresholds from the smallest rate that the calibration can keep up to 60%.

    Args:
        calibration: out-of-sample scores and weights.
        n_images: new images.

    Returns:
        By ascending rate, so by descending threshold.
    """
    least = fit_threshold(calibration, _LEAST).false_alarm_rate
    rates = {rate for rate in MARKS if rate >= least}
    if least < _MOST:
        rates |= set(np.geomspace(least, _MOST, _STEPS).tolist())
    steps = [
        Step.of(calibration, fit_threshold(calibration, min(rate, 1 - 1e-9)), n_images)
        for rate in sorted(rates or {least})
    ]
    return tuple(sorted(steps, key=lambda step: (step.rate, -step.value)))


def near(calibration: Calibration, threshold: float) -> float:
    """How far from a threshold a score still counts as near it.

    A fifth of the way from the median calibration score to the threshold: of normal scores with a
    Gaussian's tail and a rate of 5%, a third of a standard deviation.

    Args:
        calibration: out-of-sample scores and weights.
        threshold: on the same scale.

    Returns:
        Zero or more.
    """
    reached = np.cumsum(calibration.weights)
    middle = int(np.searchsorted(reached, reached[-1] / 2.0))
    return _NEAR * max(threshold - float(calibration.scores[middle]), 0.0)
