"""Writing files, and clearing away what a killed writer has left."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from twofold.deferred import deferred
from twofold.errors import UsageError

if TYPE_CHECKING:
    import filelock
else:
    filelock = deferred("filelock")

__all__ = [
    "file_sha256",
    "refuse_folder",
    "remove_dead",
    "temporary_beside",
    "temporary_name",
    "write_whole",
]

# Without a mark nothing shows whether the writer lives; no writing takes a day.
_STALE_SECONDS = 24 * 3600
_MARK = ".lock"


def write_whole(path: Path, content: bytes) -> None:
    """Write a file whole or not at all; into a pipe or device as it comes.

    Folders on the way are made. A link stays, and what it points to is replaced. What killed
    processes have left in the folder is removed at this process's first write there.

    Raises:
        UsageError: ``path`` is a folder.
        OSError: as the system says, about ``path``.
    """
    refuse_folder(path)
    if path.exists() and not path.is_file():  # /dev/stdout, say, which must not be replaced
        path.write_bytes(content)
        return
    target = path.resolve()
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        _tidy(target.parent)
        # Plain and short, so that the longest possible name has room for the rest.
        stem = re.sub(r"[^A-Za-z0-9._-]", "_", target.name)[:100]
        with temporary_beside(target.with_name(stem)) as temporary:
            try:
                temporary.write_bytes(content)
                temporary.chmod(0o644)
                temporary.replace(target)
            except BaseException:
                temporary.unlink(missing_ok=True)
                raise
    except OSError as error:
        if error.errno is None:  # not the system's own
            raise
        raise OSError(error.errno, error.strerror, str(path)) from error


def file_sha256(path: Path) -> str:
    """Hex sha256 of a file's content.

    Raises:
        OSError: it cannot be read.
    """
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def refuse_folder(path: Path, option: str = "") -> None:
    """Raise UsageError, with the option's name before it, where a folder is in a file's place."""
    if path.is_dir():
        raise UsageError(f"{option} {path}: is a folder; name a file in it".strip())


def temporary_name(target: Path) -> Path:
    """A fresh hidden name beside ``target``."""
    return target.with_name(f".{target.name}.tmp-{secrets.token_hex(8)}")


@contextmanager
def temporary_beside(target: Path) -> Iterator[Path]:
    """A fresh hidden path beside ``target``, to be written and then renamed within the block.

    Until the block ends, a locked file beside it shows :func:`remove_dead` that its writer lives;
    the system lets go of the lock when the process ends, however it ends.
    """
    temporary = temporary_name(target)
    mark = Path(f"{temporary}{_MARK}")
    lock = filelock.FileLock(mark)
    with suppress(OSError, NotImplementedError):  # no locks here: it counts as unmarked
        lock.acquire(timeout=0)
    try:
        yield temporary
    finally:
        _drop(mark, lock)


def remove_dead(folder: Path, stem: str | None, remove: Callable[[Path], None]) -> None:
    """Remove temporary files or folders whose writer is gone; nothing here is an error.

    Args:
        folder: where they are.
        stem: name of the target they were written for; None for any.
        remove: called with each one, which need not exist; raises OSError for what is not ours.
    """
    name = ".+" if stem is None else re.escape(stem)
    pattern = re.compile(rf"(\.{name}\.tmp-[0-9a-f]{{16}})({re.escape(_MARK)})?", re.DOTALL)
    found: set[str] = set()
    with suppress(OSError):
        found = {match[1] for match in map(pattern.fullmatch, os.listdir(folder)) if match}  # noqa: PTH208
    for name in sorted(found):
        with suppress(OSError, NotImplementedError):
            _remove_if_dead(folder / name, remove)


def _remove_if_dead(temporary: Path, remove: Callable[[Path], None]) -> None:
    mark = Path(f"{temporary}{_MARK}")
    try:
        status = mark.lstat()
        # Anything else under this name is no lock of ours and must not be opened as one.
        marked = stat.S_ISREG(status.st_mode) and status.st_size == 0 and status.st_nlink == 1
    except FileNotFoundError:
        marked = False
    if not marked:
        if time.time() - temporary.lstat().st_mtime > _STALE_SECONDS:
            remove(temporary)
        return
    lock = filelock.FileLock(mark)
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        return  # its writer lives
    try:
        remove(temporary)
    except BaseException:
        lock.release()
        raise
    _drop(mark, lock)


def _drop(mark: Path, lock: filelock.BaseFileLock) -> None:
    """Remove a mark: at once where an open file can be removed, else once it is closed."""
    with suppress(OSError):
        mark.unlink(missing_ok=True)
    with suppress(OSError):
        lock.release()
    with suppress(OSError):
        mark.unlink(missing_ok=True)


@cache
def _tidy(folder: Path) -> None:
    """Once for each folder: listing it for each of ten thousand files would take too long."""
    remove_dead(folder, None, _remove_file)


def _remove_file(path: Path) -> None:
    path.unlink(missing_ok=True)
