"""Parquet through pyarrow, an optional library: what it takes to need it in one place."""

from __future__ import annotations

from io import BytesIO
from typing import TYPE_CHECKING, Any, Final

from twofold.errors import MissingExtraError

if TYPE_CHECKING:
    import pyarrow

__all__ = ["SUFFIXES", "is_parquet", "parquet_bytes", "require_pyarrow"]

SUFFIXES: Final = (".parquet", ".pq")
"""How the names of such files end, in either case."""


def is_parquet(path: str) -> bool:
    """Tell by its suffix whether a file is one of Parquet."""
    return path.lower().endswith(SUFFIXES)


def require_pyarrow(lacks: str = "no Parquet") -> Any:
    """The library, with its part ``pyarrow.parquet``.

    Args:
        lacks: what there is not without it, for the error.

    Raises:
        MissingExtraError: it is not installed.
    """
    try:
        import pyarrow as pa  # noqa: PLC0415 - an optional dependency
        import pyarrow.parquet  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            f"{lacks} without pyarrow: pip install 'twofold[parquet]'"
        ) from None
    return pa


def parquet_bytes(table: pyarrow.Table, **options: Any) -> bytes:
    """A table as the content of a file.

    Args:
        table: to write.
        options: of ``pyarrow.parquet.write_table``.
    """
    stream = BytesIO()
    require_pyarrow().parquet.write_table(table, stream, **options)
    return stream.getvalue()
