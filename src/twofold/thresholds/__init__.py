"""Decision thresholds at a stated false-alarm rate, p-values, and how contaminated a pool is."""

from twofold.thresholds._rates import check_rate
from twofold.thresholds.conformal import (
    Threshold,
    conformal_quantile,
    fit_threshold,
    images_needed,
    lower_spread,
    percentiles,
    pool_contamination,
    presumed_normal,
    upper_tail,
)
from twofold.thresholds.contamination import Contamination, estimate_contamination
from twofold.thresholds.p_values import benjamini_hochberg, p_values

__all__ = [
    "Contamination",
    "Threshold",
    "benjamini_hochberg",
    "check_rate",
    "conformal_quantile",
    "estimate_contamination",
    "fit_threshold",
    "images_needed",
    "lower_spread",
    "p_values",
    "percentiles",
    "pool_contamination",
    "presumed_normal",
    "upper_tail",
]
