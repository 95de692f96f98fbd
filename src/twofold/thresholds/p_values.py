"""Conformal p-values of scores, and which of them to report at a stated false discovery rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError
from twofold.thresholds._rates import check_rate

__all__ = ["benjamini_hochberg", "p_values"]

Array = NDArray[np.float64]


def p_values(scores: NDArray[np.floating], reference_sorted: NDArray[np.floating]) -> Array:
    """Conformal p-values, (1 + #{reference >= score}) / (m + 1) (Vovk et al. 2005).

    For a score exchangeable with the reference, P(p <= a) <= a for every a, whatever their
    distribution. The p-values of one batch depend on each other through the reference, though
    positively, so that Benjamini-Hochberg holds (Bates et al. 2023, theorem 2). None is below
    1 / (m + 1): fewer than 1 / rate reference images can report nothing at all.

    Args:
        scores: (n,), larger = more anomalous; NaN allowed.
        reference_sorted: (m,) ascending, m >= 1, of normals, out of sample, without NaN. A
            reference of presumed normals from the pool holds only as far as the presumption does.

    Returns:
        float64 (n,) in (0, 1]; NaN for NaN. Cost O((n + m) log m).

    Raises:
        NotEnoughImagesError: an empty reference.
    """
    m = len(reference_sorted)
    if not m:
        raise NotEnoughImagesError("p-values need at least 1 reference image, got 0")
    values = np.asarray(scores, dtype=np.float64)
    reference = np.asarray(reference_sorted, dtype=np.float64)
    at_least = m - np.searchsorted(reference, values, side="left")
    return np.where(np.isnan(values), np.nan, (1.0 + at_least) / (m + 1.0))


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
