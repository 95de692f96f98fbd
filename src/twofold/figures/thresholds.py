"""Where a threshold lies among the scores that it is read off, and among new ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.figures.axes import ALERT, CALM, MUTED, axes_or_new
from twofold.thresholds import Calibration, Threshold
from twofold.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_threshold"]

# Enough to show two humps, few enough that some hundred images fill them.
_BINS = 40
# A few extreme scores would squeeze all others into one bin.
_SHOWN = 0.995
_ORIGINS = {"target": "target pool", "source": "source"}
_FILLED: Any = {"color": MUTED, "alpha": 0.5}
_OUTLINED: Any = {"color": CALM, "linewidth": 1.6}


def plot_threshold(
    threshold: Threshold,
    calibration: Calibration,
    scores: NDArray[np.floating] | None = None,
    *,
    ax: Axes | None = None,
) -> Axes:
    """Draw the calibration's scores, the threshold, and new scores beside them.

    Scores beyond the 99.5th percentile are in the last bin.

    Args:
        threshold: ``threshold_`` of a detector.
        calibration: ``calibration_`` of the same: scores of pool images, out of sample, each
            weighed so that copies and images of one group count as one.
        scores: float (n,), of new images; NaN, an unusable image, is left out.
        ax: to draw on; None makes a figure.

    Raises:
        MissingExtraError: there is no ``ax``, and matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    new = np.empty(0) if scores is None else np.asarray(scores, dtype=np.float64)
    new = new[np.isfinite(new)]
    edges = _edges(np.append(calibration.scores, new), float(threshold.value))
    shares = calibration.weights / calibration.weights.sum()
    label = f"{_ORIGINS[calibration.origin]}, {len(shares)}"
    ax.stairs(_heights(calibration.scores, shares, edges), edges, fill=True, **_FILLED, label=label)
    if len(new):
        shares = np.full(len(new), 1.0 / len(new))
        label = f"new images, {len(new)}"
        ax.stairs(_heights(new, shares, edges), edges, **_OUTLINED, label=label)
    rate = f"threshold for {percent(threshold.false_alarm_rate)} false alarms"
    ax.axvline(threshold.value, color=ALERT, linestyle="--", label=rate)
    ax.set(xlabel="score", ylabel="images, %")
    ax.legend(frameon=False, fontsize="small")
    return ax


def _edges(values: NDArray[np.float64], threshold: float) -> NDArray[np.float64]:
    """Of bins that hold nearly all scores, and the threshold."""
    low = min(float(values.min()), threshold)
    high = max(float(np.quantile(values, _SHOWN)), threshold)
    margin = 0.05 * (high - low) or 1.0
    return np.linspace(low, high + margin, _BINS + 1)


def _heights(
    values: NDArray[np.float64], shares: NDArray[np.float64], edges: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Percent of the images in each bin; those beyond the last edge are in the last bin."""
    within = np.clip(values, edges[0], edges[-1])
    return 100.0 * np.histogram(within, edges, weights=shares)[0]
