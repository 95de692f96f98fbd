"""Parquet through pyarrow, with errors of one line."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twofold.errors import ImageSourceError, TwofoldError
from twofold.images.reading import display_name
from twofold.parquet import require_pyarrow

__all__ = ["parquet_file"]


@contextmanager
def parquet_file(path: str) -> Iterator[Any]:
    """An open ``pyarrow.parquet.ParquetFile``.

    Raises:
        ImageSourceError: it is not there or damaged, also where that shows only as it is read.
    """
    pa = require_pyarrow()
    try:
        with pa.parquet.ParquetFile(path) as file:
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
