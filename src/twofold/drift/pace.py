"""Since when images lie elsewhere, and whether they went there at once or little by little."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Pace", "PaceOfChange", "pace_of_change"]

Array = NDArray[np.float64]
Index = NDArray[np.intp]
Pace = Literal["sudden", "gradual", "unclear"]

# One course of events is told from the other where it makes what was seen this many times as
# likely; "strong" in the scale of Kass & Raftery 1995.
_CLEARLY = float(np.log(20.0))
# Beginnings and ends of slopes that are tried, evenly spread: the nearest is off by half a percent
# of the images. Of steps, every one.
_TRIED = 100


@dataclass(frozen=True)
class PaceOfChange:
    """When and how a number changed.

    Attributes:
        since: images before the change.
        over: images that it took, or has taken so far; 0 for a step.
        pace: ``gradual``: no step makes what was seen a twentieth as likely as the best slope does;
            ``sudden``: no slope that reaches up to now makes it a twentieth as likely as the best
            step does; ``unclear``: neither.
    """

    since: int
    over: int
    pace: Pace


def pace_of_change(values: Array) -> PaceOfChange:
    """The likeliest course of a mean that was 0 before: a slope, then a level.

    Beginning and end of the slope, the level and the variance around it are unknown; courses are
    compared by their largest likelihoods. A slope over one image is a step (Hinkley 1970).

    Args:
        values: float64 (t,), t >= 1, in order; 0 on average before the change.
    """
    n = len(values)
    tried = np.unique(np.linspace(0, n, min(n, _TRIED) + 1).round().astype(int))
    starts, ends = tried[:-1], tried
    likely = _log_likelihoods(values, starts[:, None], ends[None, :])
    step = _log_likelihoods(values, np.arange(n), np.arange(1, n + 1))
    best, up_to_now = float(max(likely.max(), step.max())), float(likely[:, -1].max())
    pace: Pace = "unclear"
    if best - step.max() > _CLEARLY:
        pace = "gradual"
    elif best - up_to_now > _CLEARLY:
        pace = "sudden"
    if pace != "gradual" and step.max() >= up_to_now:
        return PaceOfChange(int(step.argmax()), 0, pace)
    first, last = np.unravel_index(int(likely.argmax()), likely.shape)
    return PaceOfChange(int(starts[first]), int(ends[last] - starts[first]), pace)


def _log_likelihoods(values: Array, k: Index, m: Index) -> Array:
    """Of slopes from images k to m, then level; -inf where m is not behind k.

    ``k`` and ``m`` are broadcast against each other.
    """
    n = len(values)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    placed = np.concatenate([[0.0], np.cumsum(values * np.arange(1, n + 1))])
    width = np.maximum(m - k, 1).astype(np.float64)
    rising = (placed[m] - placed[k] - k * (sums[m] - sums[k])) / width
    along = rising + sums[n] - sums[m]
    length = (width + 1) * (2 * width + 1) / (6 * width) + (n - m)
    total = float(values @ values)
    left = np.maximum(total - along**2 / length, 1e-12 * max(total, 1.0))
    return np.where(m > k, -n / 2 * np.log(left / n), -np.inf)
