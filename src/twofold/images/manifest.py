"""Reading a list of image files from the `path` column of a CSV or Parquet file."""

from __future__ import annotations

import csv
import os
from io import BytesIO, StringIO
from typing import Final

from twofold.errors import ImageError, ImageSourceError, MissingExtraError
from twofold.images.collection import display_name, read_file

__all__ = ["is_manifest", "read_manifest"]

_PARQUET: Final = (".parquet", ".pq")
_COLUMN: Final = "path"


def is_manifest(path: str) -> bool:
    """Tell by its suffix whether `path` is a manifest."""
    return path.lower().endswith((".csv", *_PARQUET))


def read_manifest(path: str) -> list[str]:
    """Return the image paths that a manifest lists, relative ones joined to its folder.

    Raises ImageSourceError, naming the file and the line, if it cannot be read, has no `path`
    column, no rows or a blank path; MissingExtraError if Parquet needs pyarrow.
    """
    shown = display_name(path)
    try:
        content = read_file(path)
    except ImageError as error:
        raise ImageSourceError(f"{shown}: {error}") from error
    parquet = path.lower().endswith(_PARQUET)
    rows = _parquet_rows(content, shown) if parquet else _csv_rows(content, shown)
    if not rows:
        raise ImageSourceError(f"{shown}: the manifest lists no images")
    for place, value in rows:
        if not isinstance(value, str) or not value.strip():
            raise ImageSourceError(f"{shown}, {place}: the path is blank or not text")
    folder = os.path.dirname(path)  # noqa: PTH120 -- keeps the path as the user wrote it
    return [os.path.join(folder, str(value)) for _, value in rows]  # noqa: PTH118


def _csv_rows(content: bytes, shown: str) -> list[tuple[str, object]]:
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ImageSourceError(f"{shown}: not UTF-8 text (byte {error.start})") from error
    if "\0" in text:
        raise ImageSourceError(f"{shown}: not a CSV file (it holds NUL characters)")
    reader = csv.reader(StringIO(text, newline=""))
    try:
        header = [name.strip() for name in next(reader, [])]
        column = _column(header, shown)
        return [
            (f"line {reader.line_num}", row[column] if column < len(row) else "")
            for row in reader
            if row
        ]
    except csv.Error as error:
        raise ImageSourceError(f"{shown}, line {reader.line_num}: {error}") from error


def _parquet_rows(content: bytes, shown: str) -> list[tuple[str, object]]:
    try:
        from pyarrow import parquet  # noqa: PLC0415 -- an optional dependency
    except ImportError:
        message = f"{shown} needs pyarrow: pip install 'twofold[parquet]'"
        raise MissingExtraError(message) from None
    try:
        file = parquet.ParquetFile(BytesIO(content))
        column = _column(file.schema_arrow.names, shown)
        values = file.read().column(column).to_pylist()
    except ImageSourceError:
        raise
    except Exception as error:  # pyarrow raises many types for damaged files
        reason = " ".join(str(error).split())
        raise ImageSourceError(f"{shown}: not a readable Parquet file: {reason}") from error
    return [(f"row {i}", value) for i, value in enumerate(values, start=1)]


def _column(names: list[str], shown: str) -> int:
    if _COLUMN not in names:
        found = ", ".join(names) or "nothing"
        raise ImageSourceError(
            f"{shown}: no column named {_COLUMN!r} in the header (found: {found})"
        )
    return names.index(_COLUMN)
