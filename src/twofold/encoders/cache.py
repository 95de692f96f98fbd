"""The embedding cache: vectors on disk, each checked by hash, shared between processes."""

from __future__ import annotations

import hashlib
import math
import os
import re
import sqlite3
import time
import warnings
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.cache_file import CacheFile, is_passing
from twofold.errors import UsageError

__all__ = ["EmbeddingCache", "cache_folder", "default_cache"]

# Pooled vectors of a million images, or the three outputs of `auto` of some 41,000.
_MAX_BYTES = 5 * 2**30
# Down to this share of the limit, so that not every write has to make room.
_KEPT_SHARE = 0.9
# The grain of an image's age. Coarse, so that reading the same images again seldom writes.
_AGE_SECONDS = 3600
# SQLite's own limit on bound parameters is at least 999 in every version.
_CHUNK = 500
# How long anything that may as well be left off waits for another process.
_PATIENCE_MS = 1000
_DIGEST = re.compile(r"[0-9a-f]{64}")
_SHAPE = re.compile(rb"(\d+(,\d+)*)?")


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

    Once the entries take more than ``max_bytes``, whole images go until they take nine tenths of
    it. An image goes with its vectors in all spaces, since a caller who lacks one of them has to
    encode the image anyway. Those that were used (stored or found) longest ago go first, by the
    hour. Within the same hour their digests decide, an order that is random but always the same:
    a folder larger than the cache that is read over and over then keeps a part of itself in it,
    where the strictly oldest would be dropped just before they are asked for.

    Args:
        folder: existing and writable.
        max_bytes: what the entries may take.
    """

    def __init__(self, folder: Path, *, max_bytes: int = _MAX_BYTES) -> None:
        self._file = CacheFile(folder)
        self._max_bytes = max_bytes

    @property
    def path(self) -> Path:
        """The database file."""
        return self._file.path

    def get(self, space: str, images: Sequence[str]) -> dict[str, NDArray[np.float32]]:
        """The valid entries among ``images`` (hex digests); damaged ones are deleted.

        Raises:
            UsageError: ``space`` or one of ``images`` is no digest of 64 hexadecimal digits.
        """
        (found,) = self.get_each([space], images)
        return found

    def get_each(
        self, spaces: Sequence[str], images: Sequence[str]
    ) -> list[dict[str, NDArray[np.float32]]]:
        """Like :meth:`get` for each of some spaces; the file is opened once."""
        keys = [_raw("space", space) for space in spaces]
        wanted = [_raw("images", image) for image in images]

        def read(database: sqlite3.Connection) -> list[dict[str, NDArray[np.float32]]]:
            return [_read(database, key, wanted) for key in keys]

        return self._file.run(read, [{} for _ in keys])

    def put(self, space: str, entries: Iterable[tuple[str, NDArray[np.float32]]]) -> None:
        """Store entries (hex digest, float32 array); existing ones are replaced.

        They stay at least until the next call, unless they alone exceed the limit.

        Raises:
            UsageError: ``space`` or the digest of an entry is none of 64 hexadecimal digits.
        """
        _raw("space", space)
        self.put_each([(space, image, value) for image, value in entries])

    def put_each(self, entries: Iterable[tuple[str, str, NDArray[np.float32]]]) -> None:
        """Like :meth:`put` for entries (space, hex digest, array); the file is opened once."""
        rows = [
            _encode(_raw("space", space), _raw("entries", image), value)
            for space, image, value in entries
        ]
        images = {row[0] for row in rows}

        def write(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO vectors VALUES (?, ?, ?, ?, ?)", rows)
            _touch(database, list(images))
            self._make_room(database, images)

        if rows:
            self._file.run(write, None)

    def size(self) -> int:
        """Bytes of the file."""
        try:
            return self.path.stat().st_size
        except OSError:
            return 0

    def clear(self) -> None:
        """Delete every entry. What another process puts after that stays."""

        def empty(database: sqlite3.Connection) -> None:
            database.execute("DELETE FROM vectors")
            database.execute("DELETE FROM images")
            _shrink_file(database)

        if self.size():
            self._file.run(empty, None)

    def _make_room(self, database: sqlite3.Connection, fresh: set[bytes]) -> None:
        """Drop the oldest images while there is too much; those in ``fresh`` only if they must."""
        for spared in (fresh, set[bytes]()):
            if _used(database) > self._max_bytes:
                _drop_oldest(database, int(_KEPT_SHARE * self._max_bytes), spared)
        # The next entries fill what is free; only a limit that was far higher once leaves more.
        if _pragma(database, "page_count") > 1.5 * self._max_bytes / _pragma(database, "page_size"):
            _shrink_file(database)


def _read(
    database: sqlite3.Connection, key: bytes, wanted: list[bytes]
) -> dict[str, NDArray[np.float32]]:
    """The valid entries of one space; others are deleted, and the use of these is noted."""
    found: dict[str, NDArray[np.float32]] = {}
    damaged: list[bytes] = []
    unnoted: list[bytes] = []
    now = _hour()
    for image, shape, sha256, data, hour in _select(database, key, wanted):
        value = _decode(key, image, shape, sha256, data)
        if value is None:
            damaged.append(image)
            continue
        found[image.hex()] = value
        if hour != now:
            unnoted.append(image)
    if damaged or unnoted:
        _note(database, key, damaged, unnoted)
    return found


def _pragma(database: sqlite3.Connection, name: str) -> int:
    return int(database.execute(f"PRAGMA {name}").fetchone()[0])


def _used(database: sqlite3.Connection) -> int:
    """Bytes that hold something; deleting leaves free pages in the file for the next entries."""
    pages = _pragma(database, "page_count") - _pragma(database, "freelist_count")
    return pages * _pragma(database, "page_size")


def _shrink_file(database: sqlite3.Connection) -> None:
    """Give free pages back to the disk, if nobody is in the way just now."""
    database.commit()
    with _unless_in_the_way(database):
        database.execute("VACUUM")


@contextmanager
def _unless_in_the_way(database: sqlite3.Connection) -> Iterator[None]:
    """Leave off what the moment does not allow, such as writing while another process writes."""
    database.execute(f"PRAGMA busy_timeout = {_PATIENCE_MS}")
    try:
        yield
    except sqlite3.OperationalError as error:
        if not is_passing(error):
            raise
        database.rollback()


def _drop_oldest(database: sqlite3.Connection, goal: int, spared: Collection[bytes]) -> None:
    """Drop whole images, the longest unused first, until at most ``goal`` bytes are used."""
    while (used := _used(database)) > goal:
        (known,) = database.execute("SELECT count(*) FROM images").fetchone()
        # As many as it takes if all are of one size; then measured again.
        count = math.ceil(known * (1 - goal / used))
        # An hour still to come was noted by a clock that was wrong, and would never be old.
        rows = database.execute(
            "SELECT image FROM images ORDER BY hour > ?1 DESC, hour, image LIMIT ?2",
            (_hour(), count + len(spared)),
        )
        gone = [row for row in rows if row[0] not in spared][:count]
        if not gone:
            return
        database.executemany("DELETE FROM vectors WHERE image = ?", gone)
        database.executemany("DELETE FROM images WHERE image = ?", gone)


def _note(
    database: sqlite3.Connection, space: bytes, damaged: list[bytes], used: list[bytes]
) -> None:
    """Delete damaged entries and note the use of others; reading goes on if that has to wait."""
    with _unless_in_the_way(database):
        database.executemany(
            "DELETE FROM vectors WHERE image = ? AND space = ?",
            [(image, space) for image in damaged],
        )
        _touch(database, used)
        database.commit()


def _touch(database: sqlite3.Connection, images: list[bytes]) -> None:
    now = _hour()
    database.executemany(
        "INSERT INTO images VALUES (?, ?) ON CONFLICT (image) DO UPDATE SET hour = excluded.hour",
        [(image, now) for image in images],
    )


def _hour() -> int:
    return int(time.time() // _AGE_SECONDS)


def _raw(argument: str, digest: str) -> bytes:
    if not isinstance(digest, str) or not _DIGEST.fullmatch(digest):
        raise UsageError(
            f"{argument}: {digest!r:.100} is no digest; give 64 hexadecimal digits in lower case"
        )
    return bytes.fromhex(digest)


def _seal(space: bytes, image: bytes, shape: bytes, data: bytes) -> bytes:
    sealed = hashlib.sha256(b"|".join((space, image, shape, b"")))
    sealed.update(data)
    return sealed.digest()


def _encode(
    space: bytes, image: bytes, value: NDArray[np.float32]
) -> tuple[bytes, bytes, bytes, bytes, bytes]:
    shape = ",".join(map(str, value.shape)).encode()
    data = np.ascontiguousarray(value, dtype="<f4").tobytes()
    return image, space, shape, _seal(space, image, shape, data), data


def _decode(
    space: bytes, image: bytes, shape: object, sha256: object, data: object
) -> NDArray[np.float32] | None:
    if not (isinstance(shape, bytes) and isinstance(data, bytes) and _SHAPE.fullmatch(shape)):
        return None
    if _seal(space, image, shape, data) != sha256:
        return None
    sizes = tuple(int(size) for size in shape.split(b",")) if shape else ()
    return np.frombuffer(data, dtype="<f4").reshape(sizes).astype(np.float32)


def _select(
    database: sqlite3.Connection, space: bytes, images: list[bytes]
) -> Iterator[tuple[bytes, object, object, object, object]]:
    for start in range(0, len(images), _CHUNK):
        chunk = images[start : start + _CHUNK]
        marks = ",".join("?" * len(chunk))
        query = (
            "SELECT image, shape, sha256, data, hour "  # noqa: S608 - only "?" is formatted
            "FROM vectors LEFT JOIN images USING (image) "
            f"WHERE image IN ({marks}) AND space = ?"
        )
        yield from database.execute(query, (*chunk, space))
