"""The embedding cache: vectors on disk, each checked by hash, shared between processes."""

from __future__ import annotations

import hashlib
import os
import sqlite3
import sys
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["EmbeddingCache", "cache_folder", "default_cache"]

Row = TypeVar("Row")

_SCHEMA = """
CREATE TABLE IF NOT EXISTS vectors (
    space BLOB NOT NULL, image BLOB NOT NULL, shape TEXT NOT NULL,
    sha256 BLOB NOT NULL, data BLOB NOT NULL, PRIMARY KEY (space, image)
) WITHOUT ROWID
"""
# Pooled vectors of a million images, or the last-stage activations of some 130,000.
_MAX_BYTES = 5 * 2**30
# SQLite's own limit on bound parameters is at least 999 in every version.
_CHUNK = 500
# How long a second process waits for the first to finish a write.
_BUSY_SECONDS = 60.0


def cache_folder() -> Path | None:
    """``$TWOFOLD_CACHE``, else ``$XDG_CACHE_HOME/twofold``, else ``~/.cache/twofold``.

    None when ``TWOFOLD_CACHE`` is ``off``.
    """
    given = os.environ.get("TWOFOLD_CACHE")
    if given == "off":
        return None
    if given:
        return Path(given)
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path.home() / ".cache") / "twofold"


def default_cache() -> EmbeddingCache | None:
    """The cache in :func:`cache_folder`, or None when it is switched off or cannot be written."""
    folder = cache_folder()
    if folder is None:
        return None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with closing(sqlite3.connect(folder / "probe.sqlite")):
            pass
        (folder / "probe.sqlite").unlink(missing_ok=True)
    except (OSError, sqlite3.Error) as error:
        warnings.warn(
            f"the embedding cache {folder} cannot be used ({error}); going on without it",
            RuntimeWarning,
            stacklevel=2,
        )
        return None
    return EmbeddingCache(folder)


class EmbeddingCache:
    """float32 arrays keyed by (space, image).

    A *space* names encoder, weights, preprocessing and output; an *image* is the sha256 of a file's
    content. Every entry carries its own sha256 over key, shape and bytes; one that does not match
    is dropped and reported as missing, and a database file that is damaged is replaced by a fresh
    one. SQLite's locking lets several processes share the folder.

    Args:
        folder: existing and writable.
        max_bytes: the database is emptied of other spaces, then of everything, once it is larger.
    """

    def __init__(self, folder: Path, *, max_bytes: int = _MAX_BYTES) -> None:
        self.path = folder / "embeddings.sqlite"
        self._max_bytes = max_bytes

    def known(self, space: str) -> set[str]:
        """Digests of the images that have an entry in this space."""

        def read(database: sqlite3.Connection) -> set[str]:
            rows = database.execute("SELECT image FROM vectors WHERE space = ?", (_raw(space),))
            return {row[0].hex() for row in rows}

        return self._run(read, set())

    def get(self, space: str, images: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The valid entries among ``images`` (hex digests); damaged ones are deleted."""

        def read(database: sqlite3.Connection) -> dict[str, NDArray[np.float32]]:
            found: dict[str, NDArray[np.float32]] = {}
            damaged: list[str] = []
            for image, shape, sha256, data in _select(database, space, images):
                value = _decode(space, image, shape, sha256, data)
                if value is None:
                    damaged.append(image)
                else:
                    found[image] = value
            for image in damaged:
                database.execute(
                    "DELETE FROM vectors WHERE space = ? AND image = ?", (_raw(space), _raw(image))
                )
            return found

        return self._run(read, {})

    def put(self, space: str, entries: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
        """Store entries (hex digest, float32 array); existing ones are replaced."""
        rows = [_encode(space, image, value) for image, value in entries]

        def write(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)", rows)

        self._run(write, None)
        self._bound(space)

    def size(self) -> int:
        """Bytes on disk."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def clear(self) -> None:
        """Delete every entry."""
        for suffix in ("", "-wal", "-shm"):
            Path(f"{self.path}{suffix}").unlink(missing_ok=True)

    def _bound(self, space: str) -> None:
        if self.size() <= self._max_bytes:
            return

        def shrink(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM vectors WHERE space != ?", (_raw(space),))
            database.commit()
            database.execute("VACUUM")

        self._run(shrink, None)
        if self.size() > self._max_bytes:
            self.clear()

    def _run(self, work: Callable[[sqlite3.Connection], Row], otherwise: Row) -> Row:
        """Run ``work`` in a transaction; a damaged database is replaced and ``work`` retried."""
        for attempt in range(2):
            try:
                with self._open() as database:
                    return work(database)
            except (sqlite3.Error, ValueError, TypeError, AttributeError, OverflowError) as error:
                if _passing(error):
                    # A cache is never worth a failure.
                    print(f"embedding cache skipped: {error}", file=sys.stderr)  # noqa: T201
                    return otherwise
                if attempt == 0:
                    self.clear()
        return otherwise

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self.path, timeout=_BUSY_SECONDS)) as database:
            database.execute("PRAGMA journal_mode = WAL")
            # A lost last transaction costs a re-encoding, no more.
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(_SCHEMA)
            with database:
                yield database


def _passing(error: Exception) -> bool:
    """Whether it is about the moment (locked for a minute, disk full), not about the content.

    A foreign table, file format or text encoding is SQLite's plain ERROR or has no code at all.
    """
    code = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_ERROR) & 0xFF
    return isinstance(error, sqlite3.OperationalError) and code != sqlite3.SQLITE_ERROR


def _raw(digest: str) -> bytes:
    return bytes.fromhex(digest)


def _seal(space: str, image: str, shape: str, data: bytes) -> bytes:
    return hashlib.sha256(f"{space}|{image}|{shape}|".encode() + data).digest()


def _encode(
    space: str, image: str, value: NDArray[np.float32]
) -> tuple[bytes, bytes, str, bytes, bytes]:
    shape = ",".join(map(str, value.shape))
    data = np.ascontiguousarray(value, dtype="<f4").tobytes()
    return _raw(space), _raw(image), shape, _seal(space, image, shape, data), data


def _decode(
    space: str, image: str, shape: str, sha256: bytes, data: bytes
) -> NDArray[np.float32] | None:
    if _seal(space, image, shape, data) != sha256:
        return None
    sizes = tuple(int(size) for size in shape.split(",")) if shape else ()
    return np.frombuffer(data, dtype="<f4").reshape(sizes).astype(np.float32)


def _select(
    database: sqlite3.Connection, space: str, images: Sequence[str]
) -> Iterator[tuple[str, str, bytes, bytes]]:
    for start in range(0, len(images), _CHUNK):
        chunk = [_raw(image) for image in images[start : start + _CHUNK]]
        marks = ",".join("?" * len(chunk))
        query = (
            "SELECT image, shape, sha256, data FROM vectors "  # noqa: S608 - only "?" is formatted
            f"WHERE space = ? AND image IN ({marks})"
        )
        for image, shape, sha256, data in database.execute(query, (_raw(space), *chunk)):
            yield image.hex(), shape, sha256, data
