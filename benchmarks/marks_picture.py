"""The picture of benchmarks/marks.py: coverage and width over the number of marks."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

__all__ = ["draw"]

_COLOURS = {"design": "#0072b2", "random": "#d55e00", "exact": "#7f7f7f"}
# So that the dots of one number of marks do not hide each other.
_ASIDE = {"design": 0.92, "random": 1.0, "exact": 1.09}
_NAMES = {
    "design": "design",
    "random": "random images, same estimator",
    "exact": "random images, exact binomial",
}


def draw(rows: list[dict[str, Any]], path: Path) -> None:
    """Draw one row of panels with coverage, one with widths; a panel a rate.

    Args:
        rows: of the simulation.
        path: of the picture.
    """
    import matplotlib  # noqa: PLC0415 - of an extra

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    rates = list(dict.fromkeys(row["rate"] for row in rows))
    figure, panels = pyplot.subplots(2, len(rates), figsize=(3.1 * len(rates), 6.2), sharex=True)
    for column, rate in enumerate(rates):
        for way, colour in _COLOURS.items():
            mine = [row for row in rows if (row["rate"], row["way"]) == (rate, way)]
            marks = sorted({row["n_marks"] for row in mine})
            for panel, what, scale in (
                (panels[0][column], "coverage", 100.0),
                (panels[1][column], "width", 1.0),
            ):
                values = [[scale * r[what] for r in mine if r["n_marks"] == n] for n in marks]
                for n, found in zip(marks, values, strict=True):
                    places = [n * _ASIDE[way]] * len(found)
                    panel.plot(places, found, ".", color=colour, alpha=0.4, ms=4)
                means = [float(np.mean(found)) for found in values]
                panel.plot(marks, means, "-o", color=colour, ms=4, label=_NAMES[way])
        panels[0][column].set_title("AUROC" if rate == "auroc" else rate.replace("_", " "))
        panels[0][column].axhspan(93, 97, color="#009e73", alpha=0.15)
        panels[0][column].set_ylim(78, 101)
        panels[1][column].set_ylim(bottom=0)
        panels[1][column].set_xscale("log", base=2)
        panels[1][column].set_xticks([20, 40, 80, 160], ["20", "40", "80", "160"])
        panels[1][column].set_xlabel("marks")
    panels[0][0].set_ylabel("intervals that hold the truth, %")
    panels[1][0].set_ylabel("width of the interval")
    handles, names = panels[0][0].get_legend_handles_labels()
    figure.legend(handles, names, loc="lower center", ncols=3, frameon=False)
    figure.suptitle("95% intervals from marks; a dot for each set, lines are means over sets")
    figure.tight_layout(rect=(0, 0.05, 1, 1))
    figure.savefig(path, dpi=110)
    pyplot.close(figure)
