"""Images that a Parquet file lists or holds, any range of which can be read for itself."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import Any, Final

from twofold.cluster.tables import parquet_file
from twofold.errors import ImageError, ImageSourceError
from twofold.images import ImageSet, LoadedImage
from twofold.images.loaded import FileItem, Header, Item, file_header
from twofold.images.manifest import column_place, resolve_listed
from twofold.images.reading import display_name
from twofold.parquet import require_pyarrow

__all__ = ["BytesItem", "ParquetRows"]

_BYTES: Final = ("bytes", "image_bytes", "content", "image")
"""Columns of encoded images, the first of them that holds binary; `image` may also be a structure
with the fields `bytes` and `path`, as the library `datasets` writes it."""


@dataclass(frozen=True)
class BytesItem:
    """An image file that stands in a table.

    Attributes:
        name: what to call it.
        content: the bytes of the file; None where the row has none.
    """

    name: str
    content: bytes | None

    def load(self) -> LoadedImage:
        """The content; raises ImageError where there is none."""
        return LoadedImage(self._content())

    def header(self) -> Header:
        """Tell size and depth."""
        return file_header(BytesIO(self._content()))

    def _content(self) -> bytes:
        if self.content is None:
            raise ImageError("the row has no bytes")
        if not self.content:
            raise ImageError("empty file")
        return self.content


@dataclass(frozen=True)
class ParquetRows:
    """Rows of a Parquet file, of which the driver reads no more than the footer.

    Attributes:
        path: of the file.
        start: first row.
        stop: behind the last.
        column: of the paths or the bytes.
        holds_bytes: which of the two.
        names: column that names the images where there are bytes; None takes the file's name and
            the row.
        size: of the file in bytes.
    """

    path: str
    start: int
    stop: int
    column: str
    holds_bytes: bool
    names: str | None
    size: int

    @classmethod
    def find(cls, path: str) -> ParquetRows:
        """Look for the columns.

        Raises:
            ImageSourceError: the file cannot be read, or has no such columns or no rows.
        """
        shown = display_name(path)
        with parquet_file(path) as file:
            schema, rows = file.schema_arrow, file.metadata.num_rows
        if not rows:
            raise ImageSourceError(f"{shown}: the manifest lists no images")
        column = _bytes_column(schema)
        place = column_place([f.name for f in schema])
        name = None if place is None else schema.field(place).name
        size = Path(path).stat().st_size
        if column is not None:
            return cls(path, 0, rows, column, True, None if name == column else name, size)
        if name is None:
            found = ", ".join(field.name for field in schema) or "nothing"
            raise ImageSourceError(
                f"{shown}: no column of paths, such as 'path', and none of bytes, such as 'bytes' "
                f"(found: {found})"
            )
        return cls(path, 0, rows, name, False, None, size)

    def __len__(self) -> int:
        return self.stop - self.start

    def identity(self) -> Iterator[str]:
        """The file, its size and what is read of it."""
        yield f"{self.path}\t{self.size}\t{self.start}\t{self.stop}\t{self.column}"

    def part(self, start: int, stop: int) -> ParquetRows:
        """Some of the rows."""
        fields = (self.column, self.holds_bytes, self.names, self.size)
        return ParquetRows(self.path, self.start + start, self.start + stop, *fields)

    def images(self) -> ImageSet:
        """Read the rows.

        A row without a path, or with something else than a text, is an image that cannot be read;
        the others are kept.
        """
        columns = [self.column, *([] if self.names is None else [self.names])]
        rows: list[tuple[Any, ...]] = []
        with parquet_file(self.path) as file:
            if Path(self.path).stat().st_size != self.size:
                raise ImageSourceError(
                    f"{display_name(self.path)}: has changed since it was listed"
                )
            for batch in _batches(file, self.start, self.stop, columns):
                rows += zip(*(batch.column(name).to_pylist() for name in columns), strict=True)
        return ImageSet(tuple(self._item(self.start + i, *row) for i, row in enumerate(rows)))

    def _item(self, row: int, value: Any, name: Any = None) -> Item:
        place = f"{self.path}#{row}"
        if not self.holds_bytes:
            if not isinstance(value, str) or not value.strip():
                return _Nowhere(display_name(place))
            return FileItem(resolve_listed(os.path.dirname(self.path), value))  # noqa: PTH120
        if isinstance(value, dict):  # as `datasets` writes images
            name, value = value.get("path") or name, value.get("bytes")
        known = name if isinstance(name, str) and name else place
        return BytesItem(display_name(known), value)


@dataclass(frozen=True)
class _Nowhere:
    """A row that names no file."""

    name: str

    def load(self) -> LoadedImage:
        raise ImageError("the path is blank or not text")

    def header(self) -> Header:
        raise ImageError("the path is blank or not text")


def _bytes_column(schema: Any) -> str | None:
    """The column of encoded images, if there is one."""
    types = require_pyarrow().types

    def is_bytes(kind: Any) -> bool:
        if types.is_struct(kind):
            inner = {kind.field(i).name: kind.field(i).type for i in range(kind.num_fields)}
            return "bytes" in inner and is_bytes(inner["bytes"])
        return bool(types.is_binary(kind) or types.is_large_binary(kind))

    known = {field.name.casefold(): field for field in schema}
    for name in _BYTES:
        field = known.get(name)
        if field is not None and is_bytes(field.type):
            return str(field.name)
    return None


def _batches(file: Any, start: int, stop: int, columns: Sequence[str]) -> Iterator[Any]:
    """The rows of a range by batches; of the row groups before it nothing is read."""
    first, groups = 0, []
    skipped = 0
    for number in range(file.metadata.num_row_groups):
        rows = file.metadata.row_group(number).num_rows
        if first + rows <= start:
            skipped = first + rows
        elif first < stop:
            groups.append(number)
        first += rows
    at = skipped
    # Few rows at a time: those of a group before the range are read and dropped.
    size = max(1, min(stop - start, 1024))
    for batch in file.iter_batches(batch_size=size, row_groups=groups, columns=list(columns)):
        low, high = max(start - at, 0), min(stop - at, len(batch))
        if low < high:
            yield batch.slice(low, high - low)
        at += len(batch)
        if at >= stop:
            return
