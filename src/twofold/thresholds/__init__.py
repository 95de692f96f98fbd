"""Decision thresholds at a stated false-alarm rate, and p-values."""

from twofold.thresholds._rates import check_rate
from twofold.thresholds.alarms import FalseAlarms, false_alarms
from twofold.thresholds.calibration import Calibration, Origin, Rule, ScoreScale
from twofold.thresholds.conformal import (
    Threshold,
    conformal_quantile,
    fit_threshold,
    images_needed,
    percentiles,
    realised_rate_interval,
)
from twofold.thresholds.groups import find_groups
from twofold.thresholds.p_values import benjamini_hochberg, benjamini_yekutieli, p_values
from twofold.thresholds.tails import Tail, fit_tail

__all__ = [
    "Calibration",
    "FalseAlarms",
    "Origin",
    "Rule",
    "ScoreScale",
    "Tail",
    "Threshold",
    "benjamini_hochberg",
    "benjamini_yekutieli",
    "check_rate",
    "conformal_quantile",
    "false_alarms",
    "find_groups",
    "fit_tail",
    "fit_threshold",
    "images_needed",
    "p_values",
    "percentiles",
    "realised_rate_interval",
]
