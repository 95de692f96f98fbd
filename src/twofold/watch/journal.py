"""What has been scored, and what is still to be done about it: a database that survives kills.

The journal is the source of truth. A result, the mark that its file has been seen, the move that
is due and the message to be sent enter it in one transaction; tables, moves and messages follow
from it, and go on from it after a restart.
"""

from __future__ import annotations

import os
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError
from twofold.watch.schema import RESULT_FIELDS, named, open_database
from twofold.watch.versions import Version

__all__ = ["Journal", "Move", "Result", "Rows"]

Rows = list[tuple[Any, ...]]
"""Results as they are kept: the number of the row, then the columns ``RESULT_FIELDS``."""

_INSERT = (
    f"INSERT INTO results ({', '.join(RESULT_FIELDS)}) "  # noqa: S608 - names of ours
    f"VALUES ({', '.join('?' * len(RESULT_FIELDS))})"
)
_SELECT = f"SELECT id, {', '.join(RESULT_FIELDS)} FROM results WHERE id > ? ORDER BY id LIMIT ?"  # noqa: S608


@dataclass(frozen=True, eq=False)
class Result:
    """What came out for one version of a file.

    Attributes:
        version: which one.
        row: the columns ``RESULT_FIELDS``.
        numbers: float64 (f,), what drift looks at; empty where there is nothing to look at.
        verdict: the folder it belongs into: ok, ng or bad.
    """

    version: Version
    row: Mapping[str, Any]
    numbers: NDArray[np.float64]
    verdict: str


@dataclass(frozen=True)
class Move:
    """A file that is to be moved.

    Attributes:
        id: of its result.
        version: that was scored.
        verdict: the folder it belongs into.
        destination: below the watched folder, once it has been chosen.
    """

    id: int
    version: Version
    verdict: str
    destination: str | None


class Journal:
    """One file; its methods may be called from several threads.

    Args:
        path: see :func:`twofold.watch.schema.open_database`.
        private: see there.
    """

    def __init__(self, path: Path, *, private: bool) -> None:
        self._path = path
        self._lock = threading.RLock()
        self._database = open_database(path, private=private)

    def close(self) -> None:
        """Write everything into the one file and let go of it."""
        with self._lock, named(self._path):
            self._database.close()

    @contextmanager
    def _transaction(self) -> Iterator[sqlite3.Connection]:
        """All or nothing, on the disk when it ends."""
        with self._lock, named(self._path):
            self._database.execute("BEGIN IMMEDIATE")
            try:
                yield self._database
            except BaseException:
                self._database.execute("ROLLBACK")
                raise
            self._database.execute("COMMIT")

    def _all(self, query: str, *values: object) -> list[tuple[Any, ...]]:
        with self._lock, named(self._path):
            return self._database.execute(query, values).fetchall()

    def setting(self, name: str) -> str | None:
        """A value that was kept, or None."""
        found = self._all("SELECT value FROM settings WHERE name = ?", name)
        return str(found[0][0]) if found else None

    def keep(self, settings: Mapping[str, str]) -> None:
        """Keep values under their names, in place of earlier ones."""
        with self._transaction() as database:
            database.executemany("REPLACE INTO settings VALUES (?, ?)", settings.items())

    def require(self, settings: Mapping[str, str]) -> None:
        """Keep values at the first start, and insist on them later: one table, one meaning.

        Raises:
            UsageError: one of them differs.
        """
        for name, value in settings.items():
            kept = self.setting(name)
            if kept is not None and kept != value:
                raise UsageError(
                    f"{self._path}: was begun with {name} {kept or 'none'}, and now it is "
                    f"{value or 'none'}; name a new --out"
                )
        self.keep(settings)

    def knows(self, version: Version) -> bool:
        """Whether this version has its result, or was passed over."""
        query = "SELECT 1 FROM seen WHERE path = ? AND size = ? AND mtime_ns = ?"
        return bool(self._all(query, *_key(version)))

    def pass_over(self, versions: Iterable[Version]) -> None:
        """Never score these."""
        with self._transaction() as database:
            database.executemany(
                "INSERT OR IGNORE INTO seen VALUES (?, ?, ?, NULL)", map(_key, versions)
            )

    def add(
        self,
        results: Sequence[Result],
        *,
        move: bool = False,
        messages: Callable[[Rows], Iterable[str]] | None = None,
    ) -> None:
        """Take in results, all or none, with everything that is due because of them.

        Args:
            results: of versions that it does not know; a version twice is an error.
            move: their files are to be moved.
            messages: gives what is to be sent of the rows that they become.
        """
        with self._transaction() as database:
            rows: Rows = []
            for result in results:
                values = tuple(result.row[field] for field in RESULT_FIELDS)
                number = database.execute(_INSERT, values).lastrowid
                rows.append((number, *values))
                key = _key(result.version)
                database.execute("INSERT INTO seen VALUES (?, ?, ?, ?)", (*key, number))
                if result.numbers.size and np.isfinite(result.numbers).all():
                    numbers = result.numbers.astype("<f8").tobytes()
                    database.execute("INSERT INTO drift VALUES (?, ?)", (number, numbers))
                if move:
                    database.execute(
                        "INSERT INTO moves VALUES (?, ?, ?, ?, ?, NULL)",
                        (number, *key, result.verdict),
                    )
            for body in () if messages is None else messages(rows):
                database.execute("INSERT INTO outbox (body) VALUES (?)", (body,))

    def rows_after(self, number: int, n: int) -> Rows:
        """At most ``n`` results behind the one of that number, in order."""
        return self._all(_SELECT, number, n)

    def n_results(self) -> int:
        """How many there are; they are numbered from 1 without gaps."""
        return int(self._all("SELECT coalesce(max(id), 0) FROM results")[0][0])

    def drift_numbers(self, width: int, n: int = 10_000) -> Iterator[NDArray[np.float64]]:
        """What drift has looked at since :meth:`keep_drift`, in order.

        Float64 (t, width) each, t at most ``n``.
        """
        last = 0
        while rows := self._all(
            "SELECT id, numbers FROM drift WHERE id > ? ORDER BY id LIMIT ?", last, n
        ):
            last = rows[-1][0]
            yield np.frombuffer(b"".join(row[1] for row in rows), dtype="<f8").reshape(-1, width)

    def keep_drift(self, name: str, value: str) -> None:
        """Keep, in place of the numbers of all images so far, what drift knows of them."""
        with self._transaction() as database:
            database.execute("REPLACE INTO settings VALUES (?, ?)", (name, value))
            database.execute("DELETE FROM drift")

    def moves(self, after: int = 0) -> list[Move]:
        """The files that are still to be moved, of results behind the one of that number."""
        rows = self._all(
            "SELECT id, mtime_ns, path, size, verdict, destination FROM moves WHERE id > ? "
            "ORDER BY id",
            after,
        )
        return [
            Move(
                number,
                Version(mtime, os.fsdecode(path), size),
                verdict,
                None if destination is None else os.fsdecode(destination),
            )
            for number, mtime, path, size, verdict, destination in rows
        ]

    def plan_moves(self, moves: Iterable[Move]) -> None:
        """Keep where files will go, before they do."""
        with self._transaction() as database:
            database.executemany(
                "UPDATE moves SET destination = ? WHERE id = ?",
                [(os.fsencode(one.destination or ""), one.id) for one in moves],
            )

    def end_moves(self, moves: Iterable[Move]) -> None:
        """Forget moves that are done, or that nothing is left of."""
        with self._transaction() as database:
            database.executemany("DELETE FROM moves WHERE id = ?", [(one.id,) for one in moves])

    def next_message(self) -> tuple[int, str] | None:
        """Number and body of the first message to be sent."""
        found = self._all("SELECT id, body FROM outbox WHERE NOT refused ORDER BY id LIMIT 1")
        return None if not found else (found[0][0], found[0][1])

    def n_messages(self) -> int:
        """How many messages have not arrived, the refused ones included."""
        return int(self._all("SELECT count(*) FROM outbox")[0][0])

    def end_message(self, number: int) -> None:
        """Forget a message that has arrived."""
        with self._transaction() as database:
            database.execute("DELETE FROM outbox WHERE id = ?", (number,))

    def set_aside(self, number: int) -> None:
        """Let others pass a message that is refused, until :meth:`take_up`."""
        with self._transaction() as database:
            database.execute("UPDATE outbox SET refused = 1 WHERE id = ?", (number,))

    def take_up(self) -> None:
        """Try messages again that were set aside."""
        with self._transaction() as database:
            database.execute("UPDATE outbox SET refused = 0 WHERE refused")


def _key(version: Version) -> tuple[bytes, int, int]:
    return os.fsencode(version.path), version.size, version.mtime_ns
