"""Figures for notebooks and papers: functions that draw on an ``Axes`` of matplotlib."""

from twofold.figures.axes import axes_or_new, file_axes, new_axes, picture_kind, require_matplotlib
from twofold.figures.drift import plot_drift
from twofold.figures.evidence import Gauge, gauges, plot_evidence
from twofold.figures.flaws import plot_visible_flaws
from twofold.figures.images import Box, plot_image
from twofold.figures.thresholds import plot_threshold

__all__ = [
    "Box",
    "Gauge",
    "axes_or_new",
    "file_axes",
    "gauges",
    "new_axes",
    "picture_kind",
    "plot_drift",
    "plot_evidence",
    "plot_image",
    "plot_threshold",
    "plot_visible_flaws",
    "require_matplotlib",
]
