"""How small a flaw a detector sees."""

from __future__ import annotations

from textwrap import fill
from typing import TYPE_CHECKING

import numpy as np

from twofold.evidence import VisibleFlaws
from twofold.figures.axes import CALM, MUTED, axes_or_new

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_visible_flaws"]


def plot_visible_flaws(flaws: VisibleFlaws, *, ax: Axes | None = None) -> Axes:
    """Draw the share of made-up flaws flagged, with its 95% interval, over their size.

    Args:
        flaws: ``evidence_.visible_flaws`` of a detector.
        ax: to draw on; None makes a figure.

    Raises:
        MissingExtraError: there is no ``ax``, and matplotlib is not installed.
    """
    ax = axes_or_new(ax)
    flagged, low, high = (
        100.0 * np.array(shares) for shares in (flaws.flagged, flaws.low, flaws.high)
    )
    spread = np.maximum([flagged - low, high - flagged], 0.0)
    ax.errorbar(flaws.sides, flagged, spread, fmt="o-", color=CALM, capsize=3)
    rate = 100.0 * flaws.false_alarm_rate
    ax.axhline(rate, color=MUTED, linestyle=":", linewidth=1)
    ax.annotate(
        "normal images, as asked",
        (1.0, rate),
        xycoords=("axes fraction", "data"),
        xytext=(-2, 2),
        textcoords="offset points",
        ha="right",
        fontsize="small",
        color=MUTED,
    )
    ax.set_xscale("log")
    ticks = [max(1, round(side)) for side in flaws.sides]
    ax.set_xticks(flaws.sides, [str(tick) for tick in ticks])
    ax.minorticks_off()
    ax.set(xlabel="side of the made-up flaw, pixels", ylabel="flagged, %", ylim=(-3, 103))
    ax.set_title(fill(flaws.sentence(), 70), loc="left", fontsize="medium")
    return ax
