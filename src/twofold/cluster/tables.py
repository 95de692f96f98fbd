"""Parquet through pyarrow, with errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import Any

from twofold.errors import ImageSourceError, MissingExtraError, TwofoldError
from twofold.images.reading import display_name

__all__ = ["parquet_file", "require_pyarrow"]


def require_pyarrow() -> None:
    """Raise MissingExtraError where tables cannot be read or written."""
    if find_spec("pyarrow") is None:
        raise MissingExtraError("Parquet needs pyarrow: pip install 'twofold[parquet]'")


@contextmanager
def parquet_file(path: str) -> Iterator[Any]:
    """An open ``pyarrow.parquet.ParquetFile``.

    Raises:
        ImageSourceError: it is not there or damaged, also where that shows only as it is read.
    """
    require_pyarrow()
    from pyarrow import parquet  # noqa: PLC0415 - an optional dependency

    try:
        with parquet.ParquetFile(path) as file:
            yield file
    except TwofoldError:
        raise
    except FileNotFoundError:
        raise ImageSourceError(f"no such file or folder: {display_name(path)}") from None
    except Exception as error:  # pyarrow raises many types for damaged files
        reason = " ".join(str(error).split())
        raise ImageSourceError(
            f"{display_name(path)}: not a readable Parquet file: {reason}"
        ) from error
