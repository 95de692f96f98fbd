"""One line of a file of marks: what it holds, how it is written and read back."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass, fields
from io import StringIO
from typing import Literal, get_args

from twofold.errors import UsageError, shown
from twofold.spreadsheet import csv_text, read_cell

__all__ = [
    "COLUMNS",
    "HEADER",
    "Line",
    "LineMark",
    "MarkValue",
    "checked_mark",
    "parse",
    "whole_length",
]

MarkValue = Literal["normal", "anomalous", "unsure"]
LineMark = Literal["normal", "anomalous", "unsure", "undo"]


@dataclass(frozen=True)
class Line:
    """One mark as it was made.

    Attributes:
        image: name of the image.
        mark: what the reviewer said; ``undo`` takes back this reviewer's last mark of the image.
        weight: images that this one stood for when it was marked: images of its stratum over
            those of them marked so far, this one included. None for ``unsure`` and ``undo``, and
            where there is no design. Estimates compute the weights anew from all marks.
        time: when, ISO 8601, UTC.
        reviewer: who; any text.
        seconds: that the image was looked at.
        stratum: name of the stratum.
        stratum_size: images in it.
        probability: 1 / ``weight``.
        score: of the image.
        sha256: of the image's file.
    """

    image: str
    mark: LineMark
    weight: float | None = None
    time: str = ""
    reviewer: str = ""
    seconds: float | None = None
    stratum: str = ""
    stratum_size: int | None = None
    probability: float | None = None
    score: float | None = None
    sha256: str = ""

    def text(self) -> str:
        """The line as CSV, with the line break at its end."""
        return csv_text(COLUMNS, [[getattr(self, name) for name in COLUMNS]]).partition("\n")[2]


COLUMNS = tuple(field.name for field in fields(Line))
HEADER = ",".join(COLUMNS) + "\n"


def whole_length(content: bytes, *, first_line: int = 1) -> int:
    """Bytes up to the end of the last complete line; what follows was torn off while written.

    A line break in quotes does not end a line.

    Args:
        content: of the file, from the beginning of a line.
        first_line: number of that line in the file, for messages.

    Raises:
        UsageError: a quotation mark is missing further up, so that later lines would be lost.
    """
    end = content.rfind(b"\n") + 1
    if content.count(b'"', 0, end) % 2 == 0:
        return end
    # The last complete line ends before the quotation mark that nothing closes.
    quoted, end = False, 0
    for place, byte in enumerate(content):
        if byte == 0x22:
            quoted = not quoted
        elif byte == 0x0A and not quoted:
            end = place + 1
    rest = content[end:].split(b"\n")[1:]
    if any(line.count(b",") >= len(COLUMNS) - 1 for line in rest):
        number = first_line + content.count(b"\n", 0, end)
        raise UsageError(f"line {number}: a quotation mark is not closed; mend or remove the line")
    return end


def checked_mark(mark: str) -> LineMark:
    """A word that a line may hold.

    Raises:
        UsageError: it is another one.
    """
    words: tuple[LineMark, ...] = get_args(LineMark)
    found = next((word for word in words if word == mark), None)
    if found is None:
        raise UsageError(f"{shown(mark)} is no mark: use {', '.join(words)}")
    return found


def parse(content: bytes, *, first_line: int = 1) -> list[Line]:
    """Lines of a file of marks, without its header.

    Args:
        content: complete lines.
        first_line: number of the first of them in the file, for messages.

    Raises:
        UsageError: a line is damaged; the message begins with its number.
    """
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        number = first_line + content.count(b"\n", 0, error.start)
        raise UsageError(f"line {number}: not UTF-8 text") from error
    reader = csv.reader(StringIO(text, newline=""), strict=True)
    try:
        return [_line(row) for row in reader if row]
    except (csv.Error, UsageError) as error:
        number = first_line - 1 + reader.line_num
        raise UsageError(f"line {number}: {error}") from error


def _line(cells: list[str]) -> Line:
    if len(cells) != len(COLUMNS):
        raise UsageError(f"{len(cells)} fields instead of {len(COLUMNS)}")
    row = dict(zip(COLUMNS, (read_cell(cell) for cell in cells), strict=True))
    if not row["image"]:
        raise UsageError("the name of the image is missing")
    size = _number(row, "stratum_size")
    return Line(
        image=row["image"],
        mark=checked_mark(row["mark"]),
        weight=_number(row, "weight"),
        time=row["time"],
        reviewer=row["reviewer"],
        seconds=_number(row, "seconds"),
        stratum=row["stratum"],
        stratum_size=None if size is None else int(size),
        probability=_number(row, "probability"),
        score=_number(row, "score"),
        sha256=row["sha256"],
    )


def _number(row: dict[str, str], name: str) -> float | None:
    """A finite number, or None for an empty field."""
    if not row[name]:
        return None
    try:
        value = float(row[name])
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UsageError(f"{name} is {shown(row[name])}, not a number")
    return value
