"""One sentence on what more marks would bring."""

from __future__ import annotations

from typing import Final

import numpy as np
from numpy.typing import NDArray

from twofold.marks import Design, Estimates, further_marks

__all__ = ["further_sentence", "next_width"]

_WIDTHS: Final = (0.2, 0.15, 0.1, 0.07, 0.05, 0.03, 0.02, 0.01)
"""Half widths that a person would name; an interval narrower than the last is narrow enough."""

_WORTHWHILE: Final = 0.8  # a narrower interval by less than a fifth is not worth more marks


def next_width(half_width: float) -> float | None:
    """The half width to aim at next, in [0, 1]; None where the interval is narrow enough."""
    return next((width for width in _WIDTHS if width <= _WORTHWHILE * half_width), None)


def further_sentence(
    scores: NDArray[np.float64],
    threshold: float,
    design: Design,
    marks: NDArray[np.float64],
    found: Estimates,
) -> str | None:
    """How many more marks would narrow the detection rate, in words; None where none would.

    Args:
        scores: float64 (n,).
        threshold: images that score above it are flagged.
        design: of the images.
        marks: float64 (n,): 1 anomalous, 0 normal, NaN not marked.
        found: the estimates from these marks.
    """
    if found.n_marked == 0:
        return None
    rate = found.detection_rate
    if rate.value is None:
        return "No anomaly is marked yet, so nothing is known of the detection rate."
    width = next_width((rate.high - rate.low) / 2)
    if width is None:
        return None
    n = further_marks(scores, threshold, design, marks, width)
    if not n:
        return None
    more = "1 more mark" if n == 1 else f"{n} more marks"
    points = "1 point" if width == 0.01 else f"{100 * width:.0f} points"
    return f"{more} would narrow the detection rate to about ± {points}."
