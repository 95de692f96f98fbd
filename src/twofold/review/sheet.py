"""Reviewing without a browser: the sample as copies of files with a table to fill in, and back."""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import Final

from twofold.errors import ImageError, UsageError, shown
from twofold.files import write_whole
from twofold.images.reading import read_file
from twofold.marks import MarksFile, MarkValue, standing
from twofold.review.sample import Sample
from twofold.spreadsheet import csv_text, read_cell

__all__ = ["SHEET", "Imported", "check_no_sheet", "export_sheet", "import_sheet"]

SHEET: Final = "fill_in.csv"
"""Name of the table among the copies."""

_FIELDS: Final = ("file", "mark", "sha256")
_ENDINGS: Final = {".png", ".jpg", ".jpeg", ".bmp", ".tif", ".tiff", ".webp"}
_WORDS: Final[dict[str, MarkValue]] = {
    "normal": "normal",
    "n": "normal",
    "0": "normal",
    "anomalous": "anomalous",
    "a": "anomalous",
    "1": "anomalous",
    "unsure": "unsure",
    "u": "unsure",
    "?": "unsure",
}
_MOST_BYTES: Final = 50_000_000  # of a table that is filled in; a row has some eighty


@dataclass(frozen=True)
class Imported:
    """What came of a table that was filled in.

    Attributes:
        written: marks that are new.
        there: marks that this reviewer had made before, alike.
        empty: rows without a mark.
    """

    written: int
    there: int
    empty: int


def check_no_sheet(folder: Path) -> None:
    """Raise UsageError where a folder has a table already, which somebody may have filled in."""
    if (folder / SHEET).exists():
        raise UsageError(f"--export {folder}: has a {SHEET} already; name another folder")


def export_sheet(sample: Sample, folder: Path, n: int) -> int:
    """Write the first images of the order as copies, and a table to fill in.

    The copies are called by their place in the order alone: their own names may say what they are.

    Args:
        sample: of the review.
        folder: made if it is not there; must not hold such a table yet.
        n: images to write.

    Returns:
        How many were written: all of the sample, if it has fewer.

    Raises:
        UsageError: the table is there, or an image has gone or changed.
    """
    check_no_sheet(folder)
    rows = []
    for place, number in enumerate(sample.document.order[:n], start=1):
        image = sample.document.images[number]
        ending = PurePath(image.path).suffix.lower()
        name = f"{place:05d}{ending if ending in _ENDINGS else '.image'}"
        try:
            write_whole(folder / name, sample.gallery.content(number))
        except ImageError as error:
            raise UsageError(f"{image.path}: {error}") from error
        rows.append((name, "", image.sha256))
    write_whole(folder / SHEET, csv_text(_FIELDS, rows).encode())
    return len(rows)


def import_sheet(sample: Sample, path: Path, file: MarksFile, reviewer: str) -> Imported:
    """Take over the marks of a table that was filled in; a second time changes nothing.

    Args:
        sample: of the review that was exported.
        path: the table, with ``normal``, ``anomalous`` or ``unsure`` (or n, a, u) in ``mark``.
        file: where the marks go.
        reviewer: who filled it in.

    Raises:
        UsageError: a row is not of this review or has no mark of these; then none is taken over.
    """
    marks = [_mark(row, sample, path) for row in _rows(path)]
    own = standing(line for line in file.lines() if line.reviewer == reviewer).marks
    written = there = 0
    for name, mark in marks:
        if mark is None:
            continue
        if own.get(name) == mark:
            there += 1
            continue
        file.append(name, mark, reviewer=reviewer)
        written += 1
    return Imported(written, there, sum(mark is None for _, mark in marks))


def _rows(path: Path) -> list[dict[str, str]]:
    try:
        content = read_file(str(path))
    except ImageError as error:
        raise UsageError(f"--import {path}: {error}") from error
    if len(content) > _MOST_BYTES:
        raise UsageError(f"--import {path}: too large for a table of marks")
    try:
        text = content.decode("utf-8-sig")  # spreadsheets put a byte order mark before it
        # Some of them write semicolons.
        separator = ";" if text.partition("\n")[0].count(";") > 1 else ","
        rows = list(csv.DictReader(io.StringIO(text, newline=""), delimiter=separator, strict=True))
    except (UnicodeDecodeError, csv.Error) as error:
        raise UsageError(f"--import {path}: not a CSV file in UTF-8: {error}") from error
    if not rows or not set(_FIELDS) <= rows[0].keys():
        raise UsageError(f"--import {path}: needs rows with the columns {', '.join(_FIELDS)}")
    return rows


def _mark(row: dict[str, str], sample: Sample, path: Path) -> tuple[str, MarkValue | None]:
    """Name of the image and mark of one row."""
    file, said = (read_cell((row[field] or "").strip()) for field in ("file", "mark"))
    place, order = PurePath(file).stem, sample.document.order
    known = place.isascii() and place.isdigit() and len(place) < 10
    if not known or not 0 < int(place) <= len(order):
        raise UsageError(f"--import {path}: {shown(file)} is no file of this review")
    image = sample.document.images[order[int(place) - 1]]
    if row["sha256"] != image.sha256:
        raise UsageError(f"--import {path}: {shown(file)} is of another review (sha256 differs)")
    if said and said.lower() not in _WORDS:
        raise UsageError(
            f"--import {path}: {shown(said)} for {shown(file)} is no mark: "
            "normal, anomalous, unsure or nothing"
        )
    return image.path, _WORDS[said.lower()] if said else None
