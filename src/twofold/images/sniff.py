"""Telling the encoding and the delimiter of a table of text from its first bytes and line."""

from __future__ import annotations

import codecs
import csv
from collections.abc import Callable, Sequence
from typing import Final

__all__ = ["as_text", "find_delimiter", "split_first_line"]

_DELIMITERS: Final = (",", ";", "\t", "|")
_MARKS: Final = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),  # starts like UTF-16, so it comes before
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def as_text(content: bytes) -> str:
    """Decode UTF-8, or UTF-16 or UTF-32, with or without a byte order mark (UTF-32 only with).

    Raises ValueError, with a reason of one line, for anything else.
    """
    encoding = _encoding(content)
    try:
        text = content.decode(encoding)
    except UnicodeDecodeError as error:
        name = encoding.upper().removesuffix("-SIG")
        raise ValueError(
            f"not {name} text (byte {error.start}): save it as UTF-8 or UTF-16"
        ) from error
    if "\0" in text:
        raise ValueError("not a text file (it holds NUL characters)")
    return text


def _encoding(content: bytes) -> str:
    for mark, encoding in _MARKS:
        if content.startswith(mark):
            return encoding
    # Without a mark: the names of columns and the starts of paths are ASCII, of which UTF-16
    # makes every second byte zero.
    zeros = [byte == 0 for byte in content[:4]]
    if zeros == [False, True, False, True]:
        return "utf-16-le"
    if zeros == [True, False, True, False]:
        return "utf-16-be"
    return "utf-8"


def split_first_line(text: str) -> tuple[str, str]:
    """Return the delimiter that a first line as Excel's `sep=;` states, or "", and the rest."""
    line, _, rest = text.partition("\n")
    line = line.rstrip("\r")
    if len(line) == len("sep=") + 1 and line.startswith("sep="):
        return line[-1], rest
    return "", text


def find_delimiter(header: str, is_wanted: Callable[[Sequence[str]], bool]) -> str:
    """Return the delimiter by which the line `header` falls into names that are wanted.

    If there is none, the one that parts it into most names; of equals the comma comes first.
    """

    def names(delimiter: str) -> list[str]:
        return next(csv.reader([header], delimiter=delimiter), [])

    wanted = [d for d in _DELIMITERS if is_wanted(names(d))]
    return max(wanted or _DELIMITERS, key=lambda delimiter: len(names(delimiter)))
