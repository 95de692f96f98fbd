"""Which files of a folder are images that someone has put there, and as what they are known."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath
from typing import Final, Literal

from twofold.images.paths import SUFFIXES
from twofold.images.reading import display_name

__all__ = ["VERDICTS", "Ignored", "Version", "find_version", "is_wanted", "scan"]

VERDICTS: Final = ("ok", "ng", "bad")
"""The folders into which files are moved: normal, anomalous, unusable."""

# How programs call what they have not finished: browsers, copying tools, editors, offices.
_UNFINISHED = (".part", ".partial", ".tmp", ".temp", ".crdownload", ".filepart")


@dataclass(frozen=True, order=True)
class Version:
    """A file at one time: the same path with another size or time is another version.

    Attributes:
        mtime_ns: when it was last changed, nanoseconds since 1970.
        path: below the watched folder.
        size: in bytes.
    """

    mtime_ns: int
    path: str
    size: int


@dataclass(frozen=True)
class Ignored:
    """What looks like an image file by its name and is none that is scored, or cannot be seen.

    Attributes:
        path: below the watched folder; "" is the folder itself.
        reason: one line.
    """

    path: str
    reason: str


def is_wanted(path: str) -> bool:
    """Whether a path below the watched folder is one of an image that someone has finished.

    Not: hidden files and folders; what begins or ends with ``~``, or ends in ``.part``, ``.tmp``
    and the like, also before the ending of an image; and whatever lies in :data:`VERDICTS`.
    """
    *folders, name = PurePath(path).parts
    if folders and folders[0] in VERDICTS:
        return False
    if any(part.startswith(".") for part in (*folders, name)):
        return False
    return name.lower().endswith(SUFFIXES) and not _is_unfinished(name)


def _is_unfinished(name: str) -> bool:
    stem = os.path.splitext(name)[0].lower()  # noqa: PTH122 - a name, not a path
    return name.startswith("~") or stem.endswith(("~", *_UNFINISHED))


def find_version(folder: str, path: str) -> Version | Ignored | None:
    """What lies at a path now; None where nothing does.

    Links are not followed, nor are links in place of the folders above the file: what someone
    else can put into the folder must not name files elsewhere.

    Raises:
        OSError: it cannot be told, as of a network folder that is away.
    """
    full = os.path.join(folder, path)  # noqa: PTH118 - a million files
    try:
        above = os.path.dirname(full)  # noqa: PTH120
        while len(above) > len(folder):
            if os.path.islink(above):  # noqa: PTH114
                return Ignored(path, "in a linked folder, which is not followed")
            above = os.path.dirname(above)  # noqa: PTH120
        status = os.lstat(full)
    except (FileNotFoundError, NotADirectoryError):
        return None
    if stat.S_ISREG(status.st_mode):
        return Version(status.st_mtime_ns, path, status.st_size)
    if stat.S_ISLNK(status.st_mode):
        return Ignored(path, "a link, which is not followed")
    if stat.S_ISDIR(status.st_mode):
        return None
    return Ignored(path, "not a regular file")


def scan(folder: str) -> Iterator[Version | Ignored]:
    """Everything below a folder that :func:`is_wanted`, links not followed, in no order.

    A folder that cannot be read is :class:`Ignored` as a whole.
    """
    stack = [""]
    while stack:
        below = stack.pop()
        try:
            with os.scandir(os.path.join(folder, below)) as entries:  # noqa: PTH118
                names = [(entry.name, _kind(entry)) for entry in entries]
        except FileNotFoundError as error:
            if not below:  # a folder below may have gone since it was listed
                yield _unreadable(below, error)
            continue
        except OSError as error:
            yield _unreadable(below, error)
            continue
        for name, kind in names:
            path = os.path.join(below, name)  # noqa: PTH118
            if kind == "file":
                if is_wanted(path):
                    yield from _seen(folder, path)
            elif not name.startswith(".") and path not in VERDICTS:
                if kind == "folder":
                    stack.append(path)
                else:
                    yield Ignored(path, "a link, which is not followed")


def _kind(entry: os.DirEntry[str]) -> Literal["file", "folder", "link to a folder"]:
    try:
        if not entry.is_dir():
            return "file"
        return "link to a folder" if entry.is_symlink() else "folder"
    except OSError:  # a link to itself
        return "file"


def _seen(folder: str, path: str) -> Iterator[Version | Ignored]:
    try:
        found = find_version(folder, path)
    except OSError as error:
        found = _unreadable(path, error)
    if found is not None:
        yield found


def _unreadable(path: str, error: OSError) -> Ignored:
    return Ignored(path, f"cannot be read: {error.strerror or display_name(str(error))}")
