"""What a verdict rests on, each figure on a line from its least to its largest value."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import fill
from typing import TYPE_CHECKING, Any

from twofold.densities import TWO_MODES
from twofold.evidence import Evidence, Findings
from twofold.evidence.study import BREAKDOWN
from twofold.figures.axes import ALERT, CALM, MUTED, axes_or_new
from twofold.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["Gauge", "gauges", "plot_evidence"]


@dataclass(frozen=True)
class Gauge:
    """One figure on a line from its least to its largest value; places are in percent of it.

    Attributes:
        name: of the figure.
        says: what it means, in a sentence.
        value: as text.
        place: of the value.
        low: of the lower end of its interval.
        high: of the upper end.
        limit: of the value at which the verdict changes; None if there is none.
        ends: what the two ends of the line mean.
    """

    name: str
    says: str
    value: str
    place: float
    low: float
    high: float
    limit: float | None
    ends: tuple[str, str]


def gauges(evidence: Evidence) -> tuple[Gauge, ...]:
    """The figures on which a verdict rests; none of a fit that was not studied."""
    found = evidence.findings
    if found is None:
        return ()
    shift = max(found.shift_auroc, 0.5)
    at = 200.0 * (shift - 0.5)
    return (
        Gauge(
            "Shift",
            "how well source and target images can be told apart (AUROC of a classifier on "
            "held-out images).",
            f"{found.shift_auroc:.2f}",
            at,
            at,
            at,
            50.0,
            ("0.5: not at all", "1: without error"),
        ),
        Gauge(
            "Kinship",
            "how far the target varies like the source; a stranger's value is near 0.",
            f"{found.kinship:.2f} (90%: {found.kinship_low:.2f} to {found.kinship_high:.2f})",
            100.0 * found.kinship,
            100.0 * found.kinship_low,
            100.0 * found.kinship_high,
            5.0,
            ("0: like chance", "1: like itself"),
        ),
        _lesser_group(found),
    )


def plot_evidence(evidence: Evidence, *, ax: Axes | None = None) -> Axes:
    """Draw shift, kinship and lesser group with their intervals and limits under the verdict.

    Args:
        evidence: ``evidence_`` of a detector.
        ax: to draw on; None makes a figure.

    Raises:
        MissingExtraError: there is no ``ax``, and matplotlib is not installed.
    """
    ax = axes_or_new(ax, (6.4, 3.2))
    ax.set_title(fill(f"verdict: {evidence.verdict}", 48), loc="left", fontsize="medium")
    found = gauges(evidence)
    if not found:
        ax.set_axis_off()
        ax.text(0.0, 0.9, "The fit was not studied: there are no figures.", va="top")
        return ax
    for row, gauge in enumerate(found):
        ax.plot([0, 100], [row, row], color=MUTED, linewidth=1)
        ax.plot([gauge.low, gauge.high], [row, row], color=CALM, linewidth=5, alpha=0.4)
        ax.plot(gauge.place, row, "o", color=CALM)
        if gauge.limit is not None:
            ax.plot([gauge.limit] * 2, [row - 0.16, row + 0.16], color=ALERT, linewidth=2)
        ax.text(0, row - 0.22, f"{gauge.name} {gauge.value}")
        for place, end, side in zip((0, 100), gauge.ends, ("left", "right"), strict=True):
            ax.text(place, row + 0.2, end, ha=side, va="top", fontsize="small", color=MUTED)
    ax.plot([], [], color=ALERT, linewidth=2, label="where the verdict changes")
    corner: Any = {"loc": "lower right", "bbox_to_anchor": (1.0, 1.0), "borderaxespad": 0.2}
    ax.legend(frameon=False, fontsize="small", **corner)
    ax.set(ylim=(len(found) - 0.4, -0.7), xlim=(-2, 102), xticks=[], yticks=[])
    ax.spines[:].set_visible(False)
    return ax


def _lesser_group(found: Findings) -> Gauge:
    split = found.two_modes_p_value <= TWO_MODES
    return Gauge(
        "Lesser group",
        "share of the pool on the smaller side of its best split in two. "
        + ("The split is no chance" if split else "Chance alone splits a pool like this")
        + f" (p = {found.two_modes_p_value:.2g}).",
        percent(found.minor_share),
        200.0 * found.minor_share,
        200.0 * found.minor_share_low,
        200.0 * found.minor_share,
        200.0 * BREAKDOWN if split else None,
        ("0%: one group", "50%: two equal ones"),
    )
