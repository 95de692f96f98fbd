"""Opening files that may be anything, without waiting and without reading too much."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader
from typing import Final

from twofold.errors import ImageError

__all__ = ["display_name", "open_file", "read_file"]

MAX_FILE_BYTES: Final = 2**30
"""No photograph comes near 1 GiB; a file beyond it is a mistake that would fill the memory."""


def display_name(path: str) -> str:
    """Return `path` in a form that every UTF-8 output can print.

    A file name need not be valid text: its stray bytes are written as backslash escapes.
    """
    try:
        return os.fsencode(path).decode("utf-8", "backslashreplace")
    except UnicodeEncodeError:  # surrogates that stand for no byte: never a file's name
        return path.encode("utf-8", "backslashreplace").decode()


@contextmanager
def open_file(path: str) -> Iterator[BufferedReader]:
    """Open a regular file of 1 byte to 1 GiB for reading, never waiting for a pipe or a device.

    Raises ImageError with a reason of one line if that fails, or if reading it fails.
    """
    try:
        with open(path, "rb", opener=_open_without_waiting) as file:
            _check_status(os.fstat(file.fileno()))
            yield file
    except IsADirectoryError:
        raise ImageError("a folder, not a file") from None
    except FileNotFoundError:
        dangling = os.path.islink(path)  # noqa: PTH114 -- one stat instead of a Path
        raise ImageError("dangling link" if dangling else "no such file") from None
    except OSError as error:
        raise ImageError(f"cannot be read: {error.strerror or error}") from error
    except ValueError as error:  # a NUL character in the path
        raise ImageError(f"not a possible path: {error}") from error


def read_file(path: str) -> bytes:
    """Return the bytes of a regular file; raises ImageError as `open_file` does."""
    with open_file(path) as file:
        return file.read()


def _open_without_waiting(path: str, flags: int) -> int:
    # Opening a pipe waits for its writer unless told not to. Windows has neither such pipes nor
    # the flag.
    return os.open(path, flags | getattr(os, "O_NONBLOCK", 0))


def _check_status(status: os.stat_result) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise ImageError("not a regular file")
    if status.st_size == 0:
        raise ImageError("empty file")
    if status.st_size > MAX_FILE_BYTES:
        raise ImageError(f"{status.st_size} bytes: more than the limit of {MAX_FILE_BYTES}")
