"""A table as Markdown for people (percent) and as CSV for programs (fractions)."""

from __future__ import annotations

import re

from twofold.benchmark.tables.layout import Cell, Number, Share, Table
from twofold.spreadsheet import csv_text, printable

__all__ = ["MISSING", "to_csv", "to_markdown"]

# What begins an HTML tag. Names of classes and errors are other people's text.
_TAG = re.compile(r"<(?=[A-Za-z/!?])")
MISSING = "–"  # noqa: RUF001 - an en dash is how tables mark an empty cell


def to_markdown(table: Table) -> str:
    """Heading, table and notes; areas and shares in percent, a missing result as a dash."""
    numeric = [
        any(isinstance(row[place], Share | Number | int) for row in table.rows)
        for place in range(len(table.header))
    ]
    lines = [
        f"## {table.title}",
        "",
        _line(table.header),
        _line(["---:" if right else "---" for right in numeric]),
        *(_line([_shown(cell) for cell in row]) for row in table.rows),
        "",
        *(f"- {_escaped(note)}" for note in (*table.notes, f"File: `{table.id}.csv`")),
    ]
    return "\n".join(lines) + "\n"


def _line(cells: list[str] | tuple[str, ...]) -> str:
    return "| " + " | ".join(_escaped(cell) for cell in cells) + " |"


def _escaped(text: str) -> str:
    return _TAG.sub("&lt;", " ".join(printable(text).split())).replace("|", "\\|")


def _shown(cell: Cell) -> str:
    if cell is None:
        return MISSING
    if isinstance(cell, Share):
        return f"{100 * cell.value:.2f}"
    if isinstance(cell, Number):
        smallest = f"{10.0**-cell.digits:.{cell.digits}f}"
        tiny = 0 < cell.value < float(smallest) / 2
        return f"<{smallest}" if tiny else f"{cell.value:.{cell.digits}f}"
    return str(cell)


def to_csv(table: Table) -> str:
    """Header and rows; areas and shares as fractions, a missing result as an empty field."""
    return csv_text(table.header, [[_plain(cell) for cell in row] for row in table.rows])


def _plain(cell: Cell) -> str | float | int | None:
    if isinstance(cell, Share):
        return round(float(cell.value), 6)
    if isinstance(cell, Number):
        value = float(f"{cell.value:.6g}")
        return int(value) if value.is_integer() else value
    return cell
