"""How many more marks would narrow an interval."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, UsageError, shown
from twofold.marks._checks import checked_marks, checked_scores
from twofold.marks.cells import COUNTED, Cells, count_cells, point_rates
from twofold.marks.completion import complete, completed_rates
from twofold.marks.design import Design
from twofold.marks.estimate import interval
from twofold.thresholds import check_rate

__all__ = ["further_marks"]

Array = NDArray[np.float64]


def further_marks(
    scores: NDArray[np.floating],
    threshold: float,
    design: Design,
    marks: NDArray[np.floating],
    half_width: float,
    *,
    rate: str = "detection_rate",
    level: float = 0.95,
    random_state: int = 0,
) -> int | None:
    """How many more marks would narrow a rate's interval to a half width.

    Foreseen, not promised: the next images of the design's order are taken to be marked in the
    proportions seen so far, and the interval is computed for them.

    Args:
        scores: float (n,).
        threshold: images that score above it are flagged.
        design: of these images.
        marks: float (n,): 1 anomalous, 0 normal, NaN not marked.
        half_width: half of the distance between the interval's ends, in (0, 1).
        rate: one of the rates but ``auroc``.
        level: of the interval.
        random_state: of the draws.

    Returns:
        0 where the interval is narrow enough; None where nothing can be foreseen, as no anomaly
        (or, for the false-alarm rate, no normal image) has been marked.

    Raises:
        UsageError: as :func:`twofold.marks.estimate` does, or a design of another set.
        ConfigError: an unknown rate, or a half width or level not strictly between 0 and 1.
    """
    values = checked_scores(scores, threshold)
    known = checked_marks(marks, len(values))
    check_rate(half_width, "half_width")
    check_rate(level, "level")
    if rate not in COUNTED:
        raise ConfigError(f"rate is one of {', '.join(COUNTED)}, not {shown(rate)}")
    if len(design.strata) != len(values):
        raise UsageError(f"a design of {len(design.strata)} images for {len(values)} scores")
    cells, cell = count_cells(values, threshold, design.strata, known)
    if point_rates(cells)[rate] is None:
        return None
    ahead = cell[design.order[np.isnan(known[design.order])]]

    def narrow(n: int) -> bool:
        foreseen = _foreseen(cells, np.bincount(ahead[:n], minlength=len(cells.size)))
        drawn = complete(foreseen, np.random.default_rng(random_state))
        draws = completed_rates(foreseen, drawn)[rate]
        found = interval(point_rates(foreseen)[rate], draws, level)
        return found.high - found.low <= 2 * half_width

    if narrow(0):
        return 0
    low, high = 0, 1
    while high < len(ahead) and not narrow(high):
        low, high = high, 2 * high
    high = min(high, len(ahead))
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if narrow(middle) else (middle, high)
    return high


def _foreseen(cells: Cells, further: NDArray[np.int64]) -> Cells:
    """Counts after further marks, in the proportions of the posterior's mean."""
    shared = 0.5 * cells.share_of_side
    share = (cells.anomalous + shared) / (cells.marked + 2 * shared)
    return replace(
        cells,
        normal=cells.normal + further * (1 - share),
        anomalous=cells.anomalous + further * share,
    )
