"""The results as a folder of Parquet files, all of them full but the last."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

from twofold.files import write_whole
from twofold.parquet import parquet_bytes, require_pyarrow
from twofold.watch.journal import Journal, Rows
from twofold.watch.schema import RESULT_FIELDS

__all__ = ["ParquetOut"]

# The last file is written anew whenever rows come: ten thousand take some hundredths of a second,
# and a month of a thousand files an hour is 72 files.
PART = 10_000


class ParquetOut:
    """Writes the files that lack rows, each whole or not at all.

    Args:
        folder: of the files, which any reader of Parquet takes as one table.
        journal: that they follow.

    Raises:
        MissingExtraError: pyarrow is not installed.
    """

    def __init__(self, folder: Path, journal: Journal) -> None:
        require_pyarrow()
        self._folder, self._journal = folder, journal
        self._n: int | None = None

    def catch_up(self) -> None:
        """Write what the journal has more, and again what is missing or damaged.

        Raises:
            OSError: a file cannot be written.
        """
        if self._n is None:
            self._folder.mkdir(parents=True, exist_ok=True)
            self._n = self._rows_there()
        total = self._journal.n_results()
        while self._n < total:
            first = self._n - self._n % PART
            rows = self._journal.rows_after(first, PART)
            write_whole(self._part(first), _content(rows))
            self._n = rows[-1][0]

    def _part(self, first: int) -> Path:
        return self._folder / f"part-{first // PART + 1:06}.parquet"

    def _rows_there(self) -> int:
        """How many rows the files hold, up to the first that is not full, missing or damaged."""
        pa = require_pyarrow()
        first = 0
        while True:
            try:
                n = int(pa.parquet.read_metadata(self._part(first)).num_rows)
            except (OSError, pa.ArrowException):
                return first
            if n != PART:
                return first + min(n, PART)
            first += PART


def _content(rows: Rows) -> bytes:
    """A file of these rows."""
    pa = require_pyarrow()
    kinds: dict[str, Any] = {
        **dict.fromkeys(("image", "problem"), pa.string()),
        **dict.fromkeys(("score", "percentile", "p_value"), pa.float64()),
        **dict.fromkeys(("size", "mtime_ns"), pa.int64()),
        "anomalous": pa.int8(),
        "time": pa.timestamp("ms", tz="UTC"),
    }
    columns = dict(zip(RESULT_FIELDS, zip(*(row[1:] for row in rows), strict=True), strict=True))
    columns["time"] = tuple(datetime.fromisoformat(text) for text in columns["time"])
    schema = pa.schema([(field, kinds[field]) for field in RESULT_FIELDS])
    table = pa.table({field: list(columns[field]) for field in RESULT_FIELDS}, schema=schema)
    return parquet_bytes(table)
