"""Paths, files and folders: reading untrusted ones and replacing a folder in one step."""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from twofold.errors import BundleError, shown
from twofold.files import remove_dead, temporary_name

HEADER = "detector.json"
FILE_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}\.safetensors")
MAX_HEADER_BYTES = 8 * 2**20  # a thousand skipped images, each with its name, need at most six
MAX_FILE_BYTES = 8 * 2**30  # far above any model; keeps a sparse file from eating the memory
_DROPPINGS = frozenset({".DS_Store", "Thumbs.db", "desktop.ini"})  # left by file browsers
# O_NONBLOCK: opening a pipe that took the file's place after the check must not wait for a writer.
_READ_FLAGS = os.O_RDONLY
for _flag in ("O_NOFOLLOW", "O_NONBLOCK", "O_NOCTTY", "O_BINARY"):
    _READ_FLAGS |= getattr(os, _flag, 0)
_WRITE_FLAGS = os.O_WRONLY | os.O_CREAT | os.O_EXCL | getattr(os, "O_BINARY", 0)


def show(value: object) -> str:
    """Return untrusted text fit for a message of one line."""
    text = str(value)
    if not text.isprintable():
        text = ascii(text)[1:-1]
    return text if len(text) <= 240 else f"{text[:120]}…{text[-110:]}"


@contextmanager
def os_errors(action: str, path: Path) -> Iterator[None]:
    """Turn an error of the operating system into one line about ``path``."""
    try:
        yield
    except OSError as error:
        reason = show(error.strerror or error)
        if isinstance(error.filename, str) and Path(error.filename) != path:
            reason += f" ({show(error.filename)})"
        raise BundleError(f"{show(path)}: cannot {action}: {reason}") from error


def as_path(path: str | Path) -> Path:
    """Return ``path`` as a Path; BundleError for text that no file system can name."""
    if not isinstance(path, str | os.PathLike):
        raise BundleError(f"{shown(path)} in place of the path of a model folder")
    text = os.fspath(path)
    try:
        usable = (
            isinstance(text, str) and bool(text) and "\0" not in text and bool(os.fsencode(text))
        )
    except UnicodeError:
        usable = False
    if not usable:
        raise BundleError(f"{show(text)!r} is not a possible folder name")
    return Path(text)


def previous_of(target: Path) -> Path:
    """Return where a save keeps the old model until the new one is in place."""
    return target.with_name(f".{target.name}.previous")


def remove_leftovers(target: Path) -> None:
    """Remove the temporary folders of saves to ``target`` that were killed."""
    if target.name not in ("", ".."):
        remove_dead(target.parent, target.name, remove)


def existing_folder(asked: Path) -> tuple[Path, tuple[int, int]]:
    """Return the folder to read for ``asked``, and what changes if it is replaced."""
    candidates = [asked]
    if asked.name not in ("", ".."):
        # A save that runs now may finish between two looks: hence the second look at ``asked``.
        candidates += [previous_of(asked), asked]
    for folder in candidates:
        with os_errors("read the model", asked), suppress(FileNotFoundError):
            # Told from the status alone: a pickled checkpoint given by mistake is never opened.
            status = folder.stat()
            if not stat.S_ISDIR(status.st_mode):
                raise BundleError(f"{show(folder)} is a file; a twofold model is a folder")
            return folder, (status.st_ino, status.st_ctime_ns)
    raise BundleError(f"{show(asked)}: no such model folder")


def check_status(file: Path, status: os.stat_result, stated: int | None) -> int:
    """Return the size of a plain file, which must be the stated one."""
    where, size = show(file), status.st_size
    if not stat.S_ISREG(status.st_mode):
        kind = "a link" if stat.S_ISLNK(status.st_mode) else "not a plain file"
        raise BundleError(f"{where}: is {kind}; a model holds plain files only")
    if size > (MAX_HEADER_BYTES if stated is None else MAX_FILE_BYTES):
        raise BundleError(f"{where}: {size} bytes are too many for a model")
    if stated is not None and size != stated:
        raise BundleError(
            f"{where}: has {size} bytes, {HEADER} says {show(stated)}; copy the model again"
        )
    return size


def read_regular(file: Path, stated: int | None) -> bytes:
    """Return the bytes of a regular file; BundleError for links, devices and a wrong size."""
    with os_errors("read", file):
        # First without opening, for the better message; then on what was opened, for certain.
        check_status(file, os.lstat(file), stated)
        with os.fdopen(os.open(file, _READ_FLAGS), "rb") as stream:
            size = check_status(file, os.fstat(stream.fileno()), stated)
            try:
                raw = stream.read(size)
            except MemoryError as error:
                raise BundleError(f"{show(file)}: does not fit into memory") from error
            if len(raw) != size or stream.read(1):
                raise BundleError(f"{show(file)}: changed while it was read; try again")
    return raw


def make_parents(target: Path) -> None:
    """Make the missing folders above ``target``."""
    missing = [folder for folder in target.parents if not folder.exists()]
    for folder in reversed(missing):  # one by one: ``parents=True`` recurses, a path may be deep
        folder.mkdir(exist_ok=True)


def write_file(file: Path, raw: bytes) -> None:
    """Write a new file and wait until it is on the disk."""
    with os.fdopen(os.open(file, _WRITE_FLAGS, 0o666), "wb") as stream:
        stream.write(raw)
        stream.flush()
        os.fsync(stream.fileno())


def fsync_folder(folder: Path) -> None:
    """Wait until the entries of a folder are on the disk."""
    if not hasattr(os, "O_DIRECTORY"):  # Windows cannot open a folder
        return
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):  # some network disks cannot
            raise
    finally:
        os.close(descriptor)


def swap(temporary: Path, target: Path, previous: Path) -> None:
    """Put the whole new folder in the place of the old: at each step one of them can be read."""
    if os.path.lexists(target):
        remove(previous)  # a target in place is whole, so a leftover of an earlier save is spare
        target.rename(previous)
    try:
        temporary.rename(target)
    except BaseException:
        if not os.path.lexists(target):
            with suppress(OSError):
                previous.rename(target)
        raise
    fsync_folder(target.parent)


def foreign_entry(folder: Path) -> str | None:
    """Return the name of something in ``folder`` that no save has written, if there is any."""
    for entry in folder.iterdir():
        ours = entry.name == HEADER or entry.name in _DROPPINGS or FILE_NAME.fullmatch(entry.name)
        if not ours or stat.S_ISDIR(entry.lstat().st_mode):
            return entry.name
    return None


def check_replaceable(target: Path) -> None:
    """Raise BundleError if ``target`` exists and is not a model that a save may replace."""
    where = show(target)
    with suppress(FileNotFoundError):
        temporary_name(target).lstat()  # too long a name is found out here
    try:
        mode = target.lstat().st_mode
    except FileNotFoundError:
        return
    if stat.S_ISLNK(mode):
        raise BundleError(f"{where} exists and is a link: choose another path")
    names = {entry.name for entry in target.iterdir()} if stat.S_ISDIR(mode) else {""}
    if names - _DROPPINGS and HEADER not in names:
        raise BundleError(f"{where} exists and is not a twofold model: choose another path")
    foreign = foreign_entry(target)
    if foreign is not None:
        raise BundleError(
            f"{where} also holds {show(foreign)!r}, which would be lost: choose another path"
        )


def remove(folder: Path) -> None:
    """Remove a folder of ours if it exists; one that holds anything else is left alone."""
    try:
        mode = folder.lstat().st_mode
    except FileNotFoundError:
        return
    if not stat.S_ISDIR(mode) or foreign_entry(folder) is not None:
        raise OSError(errno.ENOTEMPTY, "in the way, and not written by twofold", str(folder))
    for entry in list(folder.iterdir()):
        entry.unlink()
    folder.rmdir()
