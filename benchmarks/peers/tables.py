"""Markdown tables of the measured rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from statistics import median
from typing import Any

from auto_tables import table

from peers.systems import SYSTEMS

Row = dict[str, Any]

REFERENCE = "twofold/auto@both"
_HEAD = (
    "system",
    "AUROC %",
    "fit s",
    "score s",
    "fit + score, of `twofold`'s",
    "peak MiB",
    "installed MB",
    "runs",
)


def key(row: Row) -> tuple[Any, ...]:
    """Which measurement a row is: system, cell and run."""
    return row["system"], row["cell"], row["run"]


def last_of_each(rows: Sequence[Row]) -> list[Row]:
    """One row a measurement: where it was repeated, the last."""
    return list({key(row): row for row in rows}.values())


def spread(values: Sequence[float], digits: int) -> str:
    """The median, and in brackets the smallest and largest where there are several."""
    middle = f"{median(values):.{digits}f}"
    if len(values) == 1:
        return middle
    return f"{middle} ({min(values):.{digits}f} to {max(values):.{digits}f})"


def shares(rows: Sequence[Row]) -> dict[tuple[str, int], float]:
    """Seconds of fit and score over those of twofold in the same cell and run.

    Args:
        rows: without errors, of one cell.

    Returns:
        (system, run) -> ratio, where twofold was measured in that run.
    """
    seconds = {(r["system"], r["run"]): r["fit_seconds"] + r["score_seconds"] for r in rows}
    return {
        (system, run): value / seconds[REFERENCE, run]
        for (system, run), value in seconds.items()
        if (REFERENCE, run) in seconds
    }


def cell_table(rows: Sequence[Row]) -> str:
    """All systems of one cell: medians over the runs, with ranges."""
    good = [row for row in rows if row["error"] is None]
    ratio = shares(good)
    body = []
    for system in _ordered(rows):
        mine = [row for row in good if row["system"] == system]
        failed = [row for row in rows if row["system"] == system and row["error"] is not None]
        if not mine:
            said = failed[-1]["error"].replace("|", "/")
            body.append([f"`{system}`", said, *["-"] * 4, _size(failed[-1]), f"0 of {len(failed)}"])
            continue
        of_twofold = [ratio[system, r["run"]] for r in mine if (system, r["run"]) in ratio]
        runs = f"{len(mine)} of {len(mine) + len(failed)}" if failed else str(len(mine))
        body.append(
            [
                f"`{system}`",
                spread([100 * row["auroc"] for row in mine], 1),
                spread([row["fit_seconds"] for row in mine], 1),
                spread([row["score_seconds"] for row in mine], 1),
                spread(of_twofold, 2) if of_twofold else "-",
                spread([row["peak_mib"] for row in mine], 0),
                _size(mine[-1]),
                runs,
            ]
        )
    return table(_HEAD, body)


def area_table(rows: Sequence[Row]) -> str:
    """Median AUROC in percent, systems by cells."""
    cells = list(dict.fromkeys(row["cell"] for row in rows))
    body = []
    for system in _ordered(rows):
        line = [f"`{system}`"]
        for cell in cells:
            found = [r for r in rows if (r["system"], r["cell"]) == (system, cell)]
            areas = [100 * row["auroc"] for row in found if row["error"] is None]
            line.append(f"{median(areas):.1f}" if areas else "-")
        body.append(line)
    return table(["system", *cells], body)


def machines(rows: Sequence[Row]) -> Iterator[str]:
    """Each machine and set of versions that rows are from, in words."""
    texts = []
    for row in rows:
        about = row["machine"]
        versions = ", ".join(f"{name} {v}" for name, v in about["versions"].items() if v)
        texts.append(
            f"{about['cpu']}, {about['cores']} cores, {about['memory_gib']:g} GiB; "
            f"Python {about['python']}, {versions}"
        )
    return iter(dict.fromkeys(texts))


def pages(rows: Sequence[Row]) -> str:
    """Everything: the machine, AUROC of all cells, and a table a cell."""
    rows = last_of_each(rows)
    parts = ["Measured on:", *(f"- {text}" for text in machines(rows)), "", area_table(rows)]
    for cell in dict.fromkeys(row["cell"] for row in rows):
        mine = [row for row in rows if row["cell"] == cell]
        sizes = ", ".join(f"{mine[0][f'n_{part}']} {part}" for part in ("source", "pool", "test"))
        parts += ["", f"### `{cell}`", "", f"{sizes} images.", "", cell_table(mine)]
    return "\n".join(parts)


def _ordered(rows: Sequence[Row]) -> list[str]:
    """Systems that have rows, in the order of the table of systems."""
    there = {row["system"] for row in rows}
    return [system for system in SYSTEMS if system in there]


def _size(row: Row) -> str:
    """All that is installed, and what is left of it without CUDA."""
    return f"{row['installed_mb']:.0f} ({row['installed_mb_without_cuda']:.0f} without CUDA)"
