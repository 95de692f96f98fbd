"""Tables in memory that name images: of pandas, polars or Arrow, none of which is imported."""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any, Final, TypeAlias

from twofold.errors import ImageSourceError
from twofold.images.manifest import find_column

__all__ = ["Table", "column_values", "is_table", "table_column", "table_paths"]

Table: TypeAlias = Any
"""A ``pandas.DataFrame``, ``polars.DataFrame``, ``pyarrow.Table`` or ``pyarrow.RecordBatch``."""

_LIBRARIES: Final = ("pandas", "polars", "pyarrow")


def is_table(value: object) -> bool:
    """Tell a table by its type, without importing its library."""
    return _is_theirs(value) and (
        hasattr(type(value), "columns") or hasattr(type(value), "column_names")
    )


def column_values(value: object) -> list[Any] | None:
    """Return the values of a column (a Series, or an array of Arrow); None for anything else."""
    if not _is_theirs(value) or is_table(value):
        return None
    if hasattr(value, "to_pylist"):
        return list(value.to_pylist())
    return list(value) if isinstance(value, Iterable) else None


def table_paths(table: Table) -> list[str]:
    """Return the paths that a table lists, one for each row, in a column as of a manifest.

    Raises ImageSourceError if there is no such column, no row, or a blank path.
    """
    shown = _shown(table)
    names = _names(table)
    values = _values(table, find_column(names, shown, None))
    if not values:
        raise ImageSourceError(f"{shown}: lists no images")
    for row, value in enumerate(values):
        if not isinstance(value, str | os.PathLike) or not str(value).strip():
            raise ImageSourceError(f"{shown}, row {row}: the path is blank or not text")
    return [str(os.fspath(value)) for value in values]


def table_column(table: Table, name: str) -> list[Any]:
    """Return the values of the column of that name.

    Raises ImageSourceError if there is none.
    """
    return _values(table, find_column(_names(table), _shown(table), name))


def _is_theirs(value: object) -> bool:
    return type(value).__module__.split(".")[0] in _LIBRARIES


def _shown(table: Table) -> str:
    kind = type(table)
    return f"the {kind.__module__.split('.')[0]} {kind.__name__}"


def _names(table: Table) -> list[str]:
    if hasattr(table, "collect"):  # a LazyFrame, whose columns are not known yet
        raise ImageSourceError(f"{_shown(table)}: give its rows, as frame.collect()")
    names = table.column_names if hasattr(table, "column_names") else table.columns
    return [str(name) for name in names]


def _values(table: Table, position: int) -> list[Any]:
    """The values of a column, as Python has them."""
    if hasattr(table, "iloc"):
        return list(table.iloc[:, position].tolist())
    if hasattr(table, "to_series"):
        return list(table.to_series(position).to_list())
    return list(table.column(position).to_pylist())
