"""CSV tables that are safe to open in a spreadsheet, and read back as they were."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence

__all__ = ["csv_text", "printable", "read_cell", "safe_cell"]

# A cell that begins so is a formula to one spreadsheet or another (OWASP, "CSV injection"; the
# wide signs are those of East Asian keyboards). Spreadsheets take a leading apostrophe for "this
# is text" and hide it. Apostrophes before such a sign are counted, so that one can be taken off.
_FORMULA = re.compile(r"'*[=+\-@\t\r\n＝＋－＠]")  # noqa: RUF001
# Where these separate cells or lines, the rest of an unquoted text would be a cell of its own.
_SEPARATORS = frozenset(";\t\r")


def safe_cell(text: str) -> str:
    """``text`` with an apostrophe before it if a spreadsheet could take it for a formula."""
    return f"'{text}" if _FORMULA.match(text) else text


def read_cell(text: str) -> str:
    """The text that :func:`safe_cell` was given, for any text."""
    return text[1:] if text.startswith("'") and _FORMULA.match(text) else text


def printable(text: str) -> str:
    """``text`` that every UTF-8 file can hold: half characters become backslash escapes."""
    return text.encode("utf-8", "backslashreplace").decode()


def csv_text(header: Sequence[str], rows: Iterable[Sequence[str | float | int | None]]) -> str:
    """A table as CSV with ``\\n`` at the end of each line; None is an empty field.

    Text goes through :func:`printable` and :func:`safe_cell`; numbers stay numbers.
    """
    stream = io.StringIO()
    plain = csv.writer(stream, lineterminator="\n")
    quoting = csv.writer(stream, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    for row in (header, *rows):
        cells = [safe_cell(printable(cell)) if isinstance(cell, str) else cell for cell in row]
        quoted = any(isinstance(cell, str) and _SEPARATORS & set(cell) for cell in cells)
        (quoting if quoted else plain).writerow(cells)
    return stream.getvalue()
