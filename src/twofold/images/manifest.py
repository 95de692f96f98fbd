"""Reading a list of image files: a table with a column of paths, or one path a line."""

from __future__ import annotations

import csv
import os
from collections.abc import Sequence
from io import BytesIO, StringIO
from typing import Final

from twofold.errors import ImageError, ImageSourceError, MissingExtraError, RemoteError
from twofold.images.reading import MAX_FILE_BYTES, display_name, read_file
from twofold.images.sniff import as_text, find_delimiter, split_first_line
from twofold.parquet import SUFFIXES, is_parquet
from twofold.remote import as_local, fetch, is_remote, joined, printable

# ruff: noqa: PTH118, PTH120 -- keeps paths as the user wrote them

__all__ = [
    "column_place",
    "find_column",
    "is_manifest",
    "read_column",
    "read_manifest",
    "resolve_listed",
]

_LIST: Final = ".txt"
_COLUMNS: Final = ("path", "filepath", "image_path", "filename", "file", "image")
"""Names of the column of paths, the first of them that is there; `image` is that of scores.csv."""

Rows = list[tuple[str, object]]
"""Where in the manifest ("line 3"), and what stands there."""


def is_manifest(path: str) -> bool:
    """Tell by its suffix whether `path` is a manifest."""
    return printable(path).lower().endswith((".csv", ".tsv", _LIST, *SUFFIXES))


def read_manifest(path: str) -> list[str]:
    """Return the image paths that a manifest lists.

    A relative path counts from the manifest's folder, or from the working folder if there is
    something only there; backslashes count as slashes where that finds a file. Addresses stay as
    they are. A manifest at an address may name addresses and what lies below its folder there.

    Raises ImageSourceError, naming the file and the line, if it cannot be read, has no column of
    paths, no rows or a blank path; MissingExtraError if Parquet needs pyarrow.
    """
    shown, rows = _rows(path, None)
    for place, value in rows:
        if not isinstance(value, str) or not value.strip():
            raise ImageSourceError(f"{shown}, {place}: the path is blank or not text")
    if not is_remote(path):
        folder = os.path.dirname(path)
        return [resolve_listed(folder, str(value)) for _, value in rows]
    folder = path.partition("?")[0].rpartition("/")[0]
    try:
        return [joined(folder, str(value)) for _, value in rows]
    except RemoteError as error:
        raise ImageSourceError(f"{shown}: {error}") from error


def read_column(path: str, name: str) -> list[str]:
    """Return another column of a manifest as texts, one for each image that it lists.

    Raises ImageSourceError as `read_manifest` does, and where there is no column of this name.
    """
    if not is_manifest(path):
        raise ImageSourceError(
            f"{display_name(path)} is no manifest that could have a column {name!r}"
        )
    return ["" if value is None else str(value) for _, value in _rows(path, name)[1]]


def _rows(path: str, name: str | None) -> tuple[str, Rows]:
    """The manifest as it is called, and the values of a column, that of the paths by default."""
    plain = printable(path)
    shown = display_name(plain)
    try:
        content = fetch(path, MAX_FILE_BYTES) if is_remote(path) else read_file(path)
    except (ImageError, RemoteError) as error:
        raise ImageSourceError(f"{shown}: {error}") from error
    if is_parquet(plain):
        rows = _parquet_rows(content, shown, name)
    else:
        rows = _text_rows(content, plain, name)
    if not rows:
        raise ImageSourceError(f"{shown}: the manifest lists no images")
    return shown, rows


def resolve_listed(folder: str, value: str) -> str:
    """Return the path that a manifest in a folder means; see `read_manifest`."""
    if "://" in value:
        local = as_local(value)
        if local != value or is_remote(value):
            return local
    forms = [value]
    if value.startswith("'"):  # as this library writes a name that a spreadsheet would calculate
        forms.append(value[1:])
    if "\\" in value and os.sep != "\\":
        forms.append(value.replace("\\", "/"))
    places = [os.path.join(start, form) for form in forms for start in (folder, "")]
    # A file that is nowhere is missed in the manifest's folder.
    return next((place for place in places if os.path.lexists(place)), places[-2])


def _text_rows(content: bytes, path: str, name: str | None) -> Rows:
    shown = display_name(path)
    try:
        text = as_text(content)
    except ValueError as error:
        raise ImageSourceError(f"{shown}: {error}") from error
    delimiter, text = split_first_line(text)
    header = text.partition("\n")[0].rstrip("\r")
    if path.lower().endswith(_LIST) and not delimiter and not _has_column(header):
        if name is not None:
            raise ImageSourceError(f"{shown} is a list of paths and has no column {name!r}")
        lines = enumerate(text.splitlines(), start=1)
        return [(f"line {i}", line.strip()) for i, line in lines if line.strip()]
    try:
        delimiter = delimiter or find_delimiter(header, _is_wanted)
        return _csv_rows(text, delimiter, shown, name)
    except csv.Error as error:
        raise ImageSourceError(f"{shown}: {error}") from error


def _has_column(header: str) -> bool:
    try:
        names = next(csv.reader([header], delimiter=find_delimiter(header, _is_wanted)), [])
    except csv.Error:
        return False
    return _is_wanted(names)


def _csv_rows(text: str, delimiter: str, shown: str, name: str | None) -> Rows:
    reader = csv.reader(StringIO(text, newline=""), delimiter=delimiter)
    header = next(reader, [])
    column = find_column(header, shown, name)
    rows: Rows = []
    try:
        for row in reader:
            if any(row[len(header) :]):
                raise ImageSourceError(
                    f"{shown}, line {reader.line_num}: {len(row)} fields, but the header has "
                    f"{len(header)}: put paths that hold {delimiter!r} in quotes"
                )
            if row:
                value = row[column] if column < len(row) else ""
                rows.append((f"line {reader.line_num}", value))
    except csv.Error as error:
        raise ImageSourceError(f"{shown}, line {reader.line_num}: {error}") from error
    return rows


def _parquet_rows(content: bytes, shown: str, name: str | None) -> Rows:
    try:
        from pyarrow import parquet  # noqa: PLC0415 -- an optional dependency
    except ImportError:
        message = f"{shown} needs pyarrow: pip install 'twofold[parquet]'"
        raise MissingExtraError(message) from None
    try:
        file = parquet.ParquetFile(BytesIO(content))
        column = find_column(file.schema_arrow.names, shown, name)
        values = file.read().column(column).to_pylist()
    except ImageSourceError:
        raise
    except Exception as error:  # pyarrow raises many types for damaged files
        reason = " ".join(str(error).split())
        raise ImageSourceError(f"{shown}: not a readable Parquet file: {reason}") from error
    return [(f"row {i}", value) for i, value in enumerate(values, start=1)]


def _plain(name: str) -> str:
    return "".join(filter(str.isalnum, name.casefold()))


def column_place(names: Sequence[str]) -> int | None:
    """Return where the column of paths stands; case, blanks and signs in names do not count."""
    plain = [_plain(name) for name in names]
    wanted = (_plain(column) for column in _COLUMNS)
    return next((plain.index(name) for name in wanted if name in plain), None)


def _is_wanted(names: Sequence[str]) -> bool:
    return column_place(names) is not None


def find_column(names: Sequence[str], shown: str, wanted: str | None) -> int:
    """Return where a column stands: of the paths, or of the name that is wanted.

    Raises ImageSourceError, about what is `shown`, if it is not among the `names`.
    """
    plain = [_plain(name) for name in names]
    found = ", ".join(name.strip() for name in names) or "nothing"
    if wanted is not None:
        if _plain(wanted) not in plain:
            raise ImageSourceError(f"{shown}: no column named {wanted!r} (found: {found})")
        return plain.index(_plain(wanted))
    place = column_place(names)
    if place is None:
        others = ", ".join(_COLUMNS[1:])
        raise ImageSourceError(
            f"{shown}: no column named 'path' in the header (found: {found}); {others} will do too"
        )
    return place
