"""The SQLite file behind the embedding cache: made, opened, and replaced once it is damaged."""

from __future__ import annotations

import sqlite3
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from twofold.deferred import deferred

if TYPE_CHECKING:
    import filelock
else:
    filelock = deferred("filelock")

__all__ = ["CacheFile", "is_passing"]

Result = TypeVar("Result")

# Written into the file; another number is another layout, which is replaced.
_VERSION = 2
_SCHEMA = (
    # All vectors of an image lie side by side, since they are dropped together.
    "CREATE TABLE vectors (image BLOB NOT NULL, space BLOB NOT NULL, shape BLOB NOT NULL, "
    "sha256 BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (image, space)) WITHOUT ROWID",
    "CREATE TABLE images (image BLOB NOT NULL PRIMARY KEY, hour INTEGER NOT NULL) WITHOUT ROWID",
)
# The file of the first layout, which knew no age. It may hold gigabytes that nobody reads.
_FORMER = "embeddings.sqlite"
# How long a second process waits for the first to finish a write.
BUSY_SECONDS = 60.0
# What a damaged file makes SQLite say. All statements are fixed and right, so a plain ERROR is
# about the file: its format, its text encoding, or tables that are none of ours. A violated
# CONSTRAINT is a damaged index, and nothing that we store is TOOBIG.
_DAMAGE = {
    sqlite3.SQLITE_CORRUPT,
    sqlite3.SQLITE_NOTADB,
    sqlite3.SQLITE_FORMAT,
    sqlite3.SQLITE_ERROR,
    sqlite3.SQLITE_CONSTRAINT,
    sqlite3.SQLITE_TOOBIG,
}


class _DamagedError(Exception):
    """The file is missing, damaged or of another layout."""


def is_passing(error: sqlite3.Error) -> bool:
    """Whether it is about the moment (locked for a minute, disk full), not about the content."""
    return getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF not in _DAMAGE


class CacheFile:
    """One database file that several processes and threads use at once.

    Every call opens it anew, so that a file which was replaced meanwhile is found.

    Args:
        folder: existing and writable.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / "embeddings-2.sqlite"

    def run(self, work: Callable[[sqlite3.Connection], Result], otherwise: Result) -> Result:
        """Run ``work`` in a transaction and return its result.

        A damaged file is replaced by an empty one and ``work`` run again. What only stands in the
        way for now (a lock, a full disk) is said on stderr, and ``otherwise`` is returned: a cache
        is never worth a failure.
        """
        try:
            try:
                return self._attempt(work)
            except _DamagedError:
                return self._replace_and_run(work)
            except sqlite3.OperationalError as error:
                if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_CANTOPEN:
                    raise
                # Most likely another process is replacing it at this moment.
                return self._replace_and_run(work)
        except (
            _DamagedError,
            filelock.Timeout,
            OSError,
            NotImplementedError,
            sqlite3.Error,
        ) as error:
            if isinstance(error, sqlite3.ProgrammingError | sqlite3.InterfaceError):
                raise  # a mistake of ours
            print(f"embedding cache skipped: {error}", file=sys.stderr)  # noqa: T201
            return otherwise

    def _attempt(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        if not self.path.exists():
            raise _DamagedError(f"unable to open {self.path}")
        try:
            with self._open(self.path, "rw") as database:
                self._check_layout(database)
                with database:
                    return work(database)
        except (sqlite3.ProgrammingError, sqlite3.InterfaceError):
            raise
        except sqlite3.Error as error:
            if is_passing(error):
                raise
            raise _DamagedError(str(error)) from error

    def _replace_and_run(self, work: Callable[[sqlite3.Connection], Result]) -> Result:
        """Replace the file and run ``work``, while no other process replaces it."""
        with filelock.FileLock(self.path.with_suffix(".lock"), timeout=BUSY_SECONDS):
            # Whoever held the lock before may have replaced the file: then this one is sound.
            with suppress(_DamagedError):
                return self._attempt(work)
            # The database first: without it nobody opens a journal, and none is made but here.
            _remove(self.path)
            self._create()
            return self._attempt(work)

    def _create(self) -> None:
        """Put a whole empty database in place, so that nobody ever opens half a one."""
        with suppress(OSError):
            _remove(self.path.with_name(_FORMER))
        fresh = self.path.with_suffix(".new")
        _remove(fresh)
        with self._open(fresh, "rwc") as database:
            # Readers go on beside a writer. Kept in the file, where every process finds it.
            database.execute("PRAGMA journal_mode = WAL")
            for statement in _SCHEMA:
                database.execute(statement)
            database.execute(f"PRAGMA user_version = {_VERSION}")
        fresh.replace(self.path)

    @contextmanager
    def _open(self, path: Path, mode: str) -> Iterator[sqlite3.Connection]:
        # Only _create, under the lock, may make the file: hence the mode.
        address = f"{path.absolute().as_uri()}?mode={mode}"
        with closing(sqlite3.connect(address, uri=True, timeout=BUSY_SECONDS)) as database:
            # Text is none of ours; what damage turns into text need not be valid UTF-8.
            database.text_factory = bytes
            # A lost last transaction costs a re-encoding, no more.
            database.execute("PRAGMA synchronous = NORMAL")
            yield database

    @staticmethod
    def _check_layout(database: sqlite3.Connection) -> None:
        (version,) = database.execute("PRAGMA user_version").fetchone()
        found = {sql for (sql,) in database.execute("SELECT sql FROM sqlite_master") if sql}
        if version != _VERSION or found != {statement.encode() for statement in _SCHEMA}:
            raise _DamagedError("another layout")


def _remove(database: Path) -> None:
    for suffix in ("", "-wal", "-shm"):
        Path(f"{database}{suffix}").unlink(missing_ok=True)
