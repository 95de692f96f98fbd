"""The results file: one JSON object a line, appended whole, never broken by a kill."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from twofold.errors import TwofoldError

__all__ = ["KEY", "RESULTS_FILE", "ResultsFile", "row_key"]

RESULTS_FILE = "results.jsonl"
"""Name of the file in the folder of a benchmark."""

KEY = (
    "dataset",
    "direction",
    "class",
    "method",
    "run",
    "protocol",
    "anomaly_share",
    "pool_size",
    "configuration_id",
)
"""The fields that name a cell; a row with the same ones replaces an earlier row."""

Row = dict[str, Any]


def row_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What names the cell of a row."""
    return tuple(row.get(name) for name in KEY)


class ResultsFile:
    """``results.jsonl`` of a benchmark, open for one writer.

    Args:
        path: of the file; made if there is none.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._descriptor = -1

    @contextmanager
    def writing(self) -> Iterator[dict[tuple[Any, ...], Row]]:
        """Hold the file and yield the rows it has, by key.

        A last line without its end, left by a kill in the middle of a write, is cut off: its cell
        runs again.

        Raises:
            TwofoldError: another benchmark is writing it, or it is damaged or cannot be written.
        """
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            self._descriptor = os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o644)
        except OSError as error:
            raise TwofoldError(f"cannot write {self.path}: {error.strerror}") from error
        try:
            self._lock()
            yield {row_key(row): row for row in self._read_and_mend()}
        finally:
            # Closing alone leaves the lock to a process that was forked meanwhile.
            fcntl.flock(self._descriptor, fcntl.LOCK_UN)
            os.close(self._descriptor)
            self._descriptor = -1

    def append(self, row: Row) -> None:
        """Add one row: in one write, and on the disk before this returns."""
        line = json.dumps(row, allow_nan=False, sort_keys=True).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise TwofoldError(f"cannot write {self.path}: the disk is full")
        os.fsync(self._descriptor)

    def _lock(self) -> None:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise TwofoldError(
                f"another benchmark is writing {self.path}: wait for it or choose another --out"
            ) from error

    def _read_and_mend(self) -> list[Row]:
        content = self.path.read_bytes()
        whole = content.rfind(b"\n") + 1
        if whole < len(content):
            os.ftruncate(self._descriptor, whole)
        rows = []
        for number, line in enumerate(content[:whole].splitlines(), start=1):
            try:
                row = json.loads(line)
            except ValueError as error:
                raise TwofoldError(f"{self.path} line {number} is damaged: remove it") from error
            if not isinstance(row, dict):
                raise TwofoldError(f"{self.path} line {number} is no result: remove it")
            rows.append(row)
        return rows
