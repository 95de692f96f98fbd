"""What speaks for a change after each image of a stream."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from twofold.drift import DriftMonitor
from twofold.figures.axes import ALERT, CALM, MUTED, axes_or_new
from twofold.words import percent

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["plot_drift"]

_LINES: dict[str, tuple[str, str, Any]] = {
    "domain": ("the domain has moved", ALERT, "-"),
    "anomalies": ("more images are odd", CALM, (0, (4, 2))),
}
# Heights of a warning that are drawn at most.
_MOST = 4.0


def plot_drift(monitor: DriftMonitor, *, ax: Axes | None = None) -> Axes:
    """Draw what speaks for each kind of change, image by image, and the height of a warning.

    Args:
        monitor: that has seen the images; the most recent 5,000 are drawn.
        ax: to draw on; None makes a figure.

    Raises:
        MissingExtraError: matplotlib is not installed.
    """
    axes = axes_or_new(ax)
    drift = monitor.current()
    courses = monitor.evidence()
    for kind, (label, colour, style) in _LINES.items():
        course = courses[kind]  # type: ignore[index]
        images = drift.n_images - len(course) + 1 + np.arange(len(course))
        axes.plot(images, course, color=colour, linestyle=style, label=label)
        warned = drift.warnings.get(kind)  # type: ignore[call-overload]
        if warned is not None and len(images) and warned.at >= images[0]:
            axes.plot([warned.at], [course[warned.at - int(images[0])]], "o", color=colour)
    if drift.kind != "none":
        since = drift.warnings[drift.kind].change.since + 1
        axes.axvline(since, color=MUTED, linewidth=1, linestyle=":")
        axes.annotate(
            f"since {since:,}",
            (since, 0.97),
            xycoords=("data", "axes fraction"),
            xytext=(4, 0),
            textcoords="offset points",
            va="top",
            color=MUTED,
        )
    height = monitor.warns_at
    axes.axhline(height, color=MUTED, linewidth=1)
    axes.annotate(
        f"warning ({percent(drift.false_warnings)} false ones, ever)",
        (0.01, height),
        xycoords=("axes fraction", "data"),
        xytext=(0, 3),
        textcoords="offset points",
        color=MUTED,
    )
    # Far above the warning nothing more is learned, and the line of the warning would sink.
    most = max(course.max(initial=0.0) for course in courses.values())
    axes.set_ylim(-2.0, min(max(height + 1.0, float(most)), _MOST * height))
    axes.set_xlabel("image")
    axes.set_ylabel("evidence of a change (powers of ten)")
    axes.legend(loc="lower left", bbox_to_anchor=(0.0, 1.0), ncols=2, frameon=False)
    return axes
