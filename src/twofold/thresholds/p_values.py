"""Conformal p-values of scores, and which of them to report at a stated false discovery rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.thresholds._rates import check_rate
from twofold.thresholds.calibration import Calibration

__all__ = ["benjamini_hochberg", "benjamini_yekutieli", "p_values"]

Array = NDArray[np.float64]


def p_values(scores: NDArray[np.floating], calibration: Calibration) -> Array:
    """Conformal p-values, (1 + #{calibration >= score}) / (n + 1) (Vovk et al. 2005).

    For a score exchangeable with the calibration, P(p <= a) <= a for every a, whatever their
    distribution; equal scores count against the image. The p-values of one batch depend on each
    other through the calibration, though positively, so that Benjamini-Hochberg holds (Bates et al.
    2023, theorem 2). Anomalies among the calibration images only make p-values larger. None is
    below 1 / (n + 1). With the rule ``tail``, n are the images that do not lie surely beyond the
    normals, and what is spent on normals among those is added.

    Args:
        scores: (m,), larger = more anomalous; NaN allowed.
        calibration: out-of-sample scores and weights; a group counts as one of the n.

    Returns:
        float64 (m,) in (0, 1]; NaN for NaN. Cost O((n + m) log n).
    """
    values = np.asarray(scores, dtype=np.float64)
    known = ~np.isnan(values)
    # For the least p-value, so that the same images count for all.
    kept, spent = calibration.kept_for(1.0 / (calibration.n_groups + 1.0))
    found = np.full(len(values), np.nan)
    chances = (1.0 + kept.above(values[known], inclusive=True)) / (kept.n_groups + 1.0)
    found[known] = np.minimum(chances + spent, 1.0)
    return found


def benjamini_hochberg(p_values: NDArray[np.floating], rate: float) -> NDArray[np.bool_]:
    """Which hypotheses to reject so that the false discovery rate stays below ``rate``.

    The step-up procedure of Benjamini & Hochberg (1995): all up to the largest p-value with
    p_(i) <= rate * i / n. Valid for independent and for conformal p-values.

    Args:
        p_values: (n,) in [0, 1]; NaN counts as no hypothesis.
        rate: expected share of normals among those reported, in (0, 1).

    Returns:
        bool (n,), True = anomalous; False for NaN. Cost O(n log n).

    Raises:
        ConfigError: the rate is not strictly between 0 and 1.
    """
    check_rate(rate)
    values = np.asarray(p_values, dtype=np.float64)
    ordered = np.sort(values[~np.isnan(values)])
    n = len(ordered)
    passing = np.flatnonzero(ordered * n <= rate * np.arange(1, n + 1))
    if not len(passing):
        return np.zeros(len(values), dtype=np.bool_)
    return np.asarray(values <= ordered[passing[-1]], dtype=np.bool_)


def benjamini_yekutieli(p_values: NDArray[np.floating], rate: float) -> NDArray[np.bool_]:
    """A false discovery rate for p-values that depend on each other in any way.

    After Benjamini & Yekutieli 2001: Benjamini-Hochberg at ``rate / (1 + 1/2 + ... + 1/n)``, which
    is a seventh of the rate for a thousand images.

    Args:
        p_values: (n,) in [0, 1]; NaN counts as no hypothesis.
        rate: expected share of normals among those reported, in (0, 1).

    Returns:
        bool (n,), True = anomalous; False for NaN.

    Raises:
        ConfigError: the rate is not strictly between 0 and 1.
    """
    check_rate(rate)
    n = int((~np.isnan(np.asarray(p_values, dtype=np.float64))).sum())
    return benjamini_hochberg(p_values, rate / float((1.0 / np.arange(1, n + 1)).sum() or 1.0))
