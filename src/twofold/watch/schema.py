"""The tables of a journal, and opening the file that holds them."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from twofold.detector.scores import ROW_FIELDS
from twofold.errors import TwofoldError, UsageError

__all__ = ["RESULT_FIELDS", "named", "open_database"]

RESULT_FIELDS: Final = (*ROW_FIELDS, "time", "size", "mtime_ns")
"""The columns of a result: what is told of the image, when it was scored, and which version."""

# SQLite writes both numbers into the head of a file: whose it is, and in which form.
_APPLICATION = 0x2F01DED
_FORM = 1
_TABLES = """
CREATE TABLE settings (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE results (
    id INTEGER PRIMARY KEY, image TEXT NOT NULL, score REAL, percentile REAL, p_value REAL,
    anomalous INTEGER, problem TEXT, time TEXT NOT NULL, size INTEGER NOT NULL,
    mtime_ns INTEGER NOT NULL
);
CREATE TABLE seen (
    path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, id INTEGER,
    PRIMARY KEY (path, size, mtime_ns)
) WITHOUT ROWID;
CREATE TABLE drift (id INTEGER PRIMARY KEY, numbers BLOB NOT NULL);
CREATE TABLE moves (
    id INTEGER PRIMARY KEY, path BLOB NOT NULL, size INTEGER NOT NULL, mtime_ns INTEGER NOT NULL,
    verdict TEXT NOT NULL, destination BLOB
);
CREATE TABLE outbox (
    id INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, refused INTEGER NOT NULL DEFAULT 0
);
"""


def open_database(path: Path, *, private: bool) -> sqlite3.Connection:
    """Open a journal, or begin one in an empty or missing file.

    Args:
        path: of the file; its folders are made.
        private: nobody else reads it: no memory is shared, which network folders do not have.

    Raises:
        UsageError: the file is another program's.
        TwofoldError: it is damaged, of a later version, or cannot be written.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with named(path):
        database = sqlite3.connect(path, timeout=10, isolation_level=None, check_same_thread=False)
        try:
            if private:
                database.execute("PRAGMA locking_mode = EXCLUSIVE")
            _require_own(database, path)
            database.execute("PRAGMA journal_mode = WAL")
            # Each transaction is on the disk before it counts: also after a power failure.
            database.execute("PRAGMA synchronous = FULL")
            if not _value(database, "PRAGMA application_id"):
                database.executescript(
                    f"BEGIN IMMEDIATE; PRAGMA application_id = {_APPLICATION}; "
                    f"PRAGMA user_version = {_FORM}; {_TABLES} COMMIT;"
                )
        except BaseException:
            database.close()
            raise
    return database


def _require_own(database: sqlite3.Connection, path: Path) -> None:
    owner = _value(database, "PRAGMA application_id")
    tables = _value(database, "SELECT count(*) FROM sqlite_master")
    if owner not in {0, _APPLICATION} or (tables and owner != _APPLICATION):
        raise UsageError(f"{path}: a database of something else; name a new file")
    if _value(database, "PRAGMA user_version") > _FORM:
        raise TwofoldError(f"{path}: written by a later version of twofold")


def _value(database: sqlite3.Connection, query: str) -> int:
    return int(database.execute(query).fetchone()[0])


@contextmanager
def named(path: Path) -> Iterator[None]:
    """Say whose error it is, in one line."""
    try:
        yield
    except sqlite3.Error as error:
        raise TwofoldError(f"{path}: {error}") from error
