"""The results file: one JSON object a line, appended whole, never broken by a kill."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from twofold.deferred import deferred
from twofold.errors import TwofoldError

if TYPE_CHECKING:
    import filelock
else:
    filelock = deferred("filelock")

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

# Without O_BINARY, Windows would write two bytes for the end of a line.
_FLAGS = os.O_RDWR | os.O_CREAT | os.O_APPEND | getattr(os, "O_BINARY", 0)


def row_key(row: Mapping[str, Any]) -> tuple[Any, ...]:
    """What names the cell of a row."""
    return tuple(row.get(name) for name in KEY)


class ResultsFile:
    """``results.jsonl`` of a benchmark, open for one writer.

    The writer locks a hidden empty file beside it, which stays there and means nothing by itself:
    the system lets go of the lock when the process ends, however it ends.

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
            descriptor = os.open(self.path, _FLAGS, 0o644)
        except OSError as error:
            raise TwofoldError(f"cannot write {self.path}: {error.strerror}") from error
        try:
            with self._lock():
                self._descriptor = descriptor
                yield {row_key(row): row for row in self._read_and_mend()}
        finally:
            os.close(descriptor)
            self._descriptor = -1

    def append(self, row: Row) -> None:
        """Add one row: in one write, and on the disk before this returns."""
        line = json.dumps(row, allow_nan=False, sort_keys=True).encode() + b"\n"
        written = os.write(self._descriptor, line)
        if written != len(line):
            raise TwofoldError(f"cannot write {self.path}: the disk is full")
        os.fsync(self._descriptor)

    @contextmanager
    def _lock(self) -> Iterator[None]:
        lock = filelock.FileLock(self.path.with_name(f".{self.path.name}.lock"))
        try:
            lock.acquire(timeout=0)
        except filelock.Timeout as error:
            raise TwofoldError(
                f"another benchmark is writing {self.path}: wait for it or choose another --out"
            ) from error
        except (OSError, NotImplementedError) as error:
            raise TwofoldError(f"cannot lock {self.path}: {error}") from error
        try:
            yield
        finally:
            lock.release()

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
