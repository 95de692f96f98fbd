"""Plots as shapes in a box of 100 units: the template draws them, and a table says the same."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from twofold.evidence import VisibleFlaws
from twofold.report.labels import Measured
from twofold.words import percent

__all__ = ["Bar", "Curve", "curves", "flaw_bars"]


@dataclass(frozen=True)
class Bar:
    """A share with its interval, in percent.

    Attributes:
        name: of the bar.
        share: of an image's area, as text.
        value: of 0 to 100.
        low: lower end.
        high: upper end.
    """

    name: str
    share: str
    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Curve:
    """A line in a box of 100 x 100 units, y downwards as SVG counts it.

    Attributes:
        title: of the plot.
        x: name of the axis to the right.
        y: name of the axis upwards.
        points: as SVG takes them.
        rows: some of the points as texts, for a table.
        chance: points of the line that guessing would give.
        dot: place of the detector's threshold, or None.
    """

    title: str
    x: str
    y: str
    points: str
    rows: tuple[tuple[str, str], ...]
    chance: str
    dot: tuple[float, float] | None


def flaw_bars(flaws: VisibleFlaws | None) -> tuple[Bar, ...]:
    """Share of made-up flaws flagged, by their size."""
    if flaws is None:
        return ()
    rows = zip(flaws.sides, flaws.shares, flaws.flagged, flaws.low, flaws.high, strict=True)
    return tuple(
        Bar(
            f"{max(1, round(side))} x {max(1, round(side))} px",
            percent(share),
            *(100.0 * value for value in values),
        )
        for side, share, *values in rows
    )


def curves(measured: Measured) -> tuple[Curve, Curve]:
    """ROC and precision over recall."""
    normal, alarms, missed, hits = measured.confusion
    false_alarms, recall = alarms / (normal + alarms), hits / (missed + hits)
    base = 100.0 - 100.0 * measured.n_anomalous / (measured.n_anomalous + measured.n_normal)
    precision = hits / (hits + alarms) if hits + alarms else None
    return (
        Curve(
            "Anomalies found over false alarms (ROC)",
            "normal images flagged",
            "anomalies found",
            _line(measured.roc),
            _rows(measured.roc),
            "0,100 100,0",
            (100.0 * false_alarms, 100.0 - 100.0 * recall),
        ),
        Curve(
            "Precision over anomalies found",
            "anomalies found",
            "flagged that are anomalous",
            _line(measured.precision_recall),
            _rows(measured.precision_recall),
            f"0,{base:.2f} 100,{base:.2f}",
            None if precision is None else (100.0 * recall, 100.0 - 100.0 * precision),
        ),
    )


def _line(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(f"{100 * x:.2f},{100 - 100 * y:.2f}" for x, y in points)


def _rows(points: Sequence[tuple[float, float]]) -> tuple[tuple[str, str], ...]:
    step = max(1, len(points) // 10)
    return tuple((percent(x), percent(y)) for x, y in points[::step])
