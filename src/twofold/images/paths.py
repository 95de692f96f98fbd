"""Finding the image files that a folder, file, glob or manifest stands for."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Final

from twofold.errors import ImageSourceError, RemoteError
from twofold.images.manifest import is_manifest, read_manifest
from twofold.images.reading import display_name
from twofold.remote import as_local, is_remote, list_files, printable

# ruff: noqa: PTH112, PTH116, PTH118, PTH119, PTH206
# Strings rather than Path objects throughout: they keep "./x" as the user wrote it, and a folder
# may hold a million files.

__all__ = ["find_paths"]

SUFFIXES: Final = (
    ".png",
    ".jpg",
    ".jpeg",
    ".jpe",
    ".jfif",
    ".bmp",
    ".dib",
    ".tif",
    ".tiff",
    ".webp",
)
"""How the names of image files end, in either case."""

_LOOKED_FOR: Final = f"(looked for {', '.join(SUFFIXES)})"


def find_paths(path: str, *, listed: bool = False) -> list[str]:
    """Return the paths of the images that one folder, file, glob or manifest stands for.

    A file that is `listed` by name is kept even if it does not exist. Raises ImageSourceError, in
    one line, if there is nothing there or it cannot be read; MissingExtraError for a Parquet
    manifest without pyarrow.
    """
    path = as_local(path)
    if is_remote(path):
        return _find_remote(path)
    if os.path.isdir(path):
        found = [file for file, is_folder in _walk(path) if not is_folder and _is_image(file)]
        if not found:
            raise ImageSourceError(f"no images in {display_name(path)} {_LOOKED_FOR}")
        return found
    if os.path.lexists(path):
        return read_manifest(path) if is_manifest(path) else [path]
    if _is_glob(path):
        found = _find_glob(path)
        if not found:
            raise ImageSourceError(f"no images match {display_name(path)} {_LOOKED_FOR}")
        return found
    if listed and not is_manifest(path):
        return [path]
    raise ImageSourceError(f"no such file or folder: {display_name(path)}")


def _find_remote(url: str) -> list[str]:
    """Addresses of images: of a folder, glob or manifest at an address, or this one."""
    if is_manifest(printable(url)):
        return read_manifest(url)
    try:
        files = list_files(url)
    except RemoteError as error:
        raise ImageSourceError(f"{printable(url)}: {error}") from error
    if files is None:
        return [url]
    # What is hidden below the folder that was named is left out, as on a disk.
    named = re.split(r"[*?\[]", url)[0]
    start = len(named.rpartition("/")[0] if named != url else url.rstrip("/"))
    found = [file for file in files if _is_image(printable(file)) and "/." not in file[start:]]
    if not found:
        raise ImageSourceError(f"no images at {printable(url)} {_LOOKED_FOR}")
    return found


def _is_image(path: str) -> bool:
    return path.lower().endswith(SUFFIXES)


def _is_glob(path: str) -> bool:
    return any(character in path for character in "*?[")


def _find_glob(pattern: str) -> list[str]:
    # The standard library's `**` either follows links round a loop or follows none at all.
    path = Path(pattern)
    parts = path.parts[1:] if path.anchor else path.parts
    while parts and parts[-1] == "**":  # folders that match are searched to the bottom anyway
        parts = parts[:-1]
    found: set[str] = set()
    for match in _expand(path.anchor, parts):
        found.update(file for file, is_folder in _walk(match) if not is_folder and _is_image(file))
    return sorted(found, key=lambda file: file.split(os.sep))


def _expand(folder: str, parts: Sequence[str]) -> Iterator[str]:
    """Yield the paths below `folder` that match the pattern whose components are `parts`."""
    if not parts:
        yield folder
        return
    head, rest = parts[0], parts[1:]
    if not _is_glob(head):
        path = os.path.join(folder, head)
        if os.path.lexists(path):
            yield from _expand(path, rest)
    elif not os.path.isdir(folder or "."):
        return
    elif head == "**":
        for path, is_folder in _walk(folder):
            if is_folder:
                yield from _expand(path, rest)
    else:
        for path, _ in _entries(folder):
            if fnmatchcase(os.path.basename(path), head):
                yield from _expand(path, rest)


def _walk(top: str) -> Iterator[tuple[str, bool]]:
    """Yield `top` and everything below it with whether it is a folder, each folder once."""
    seen: set[tuple[int, int]] = set()
    stack = [(top, os.path.isdir(top or "."))]
    while stack:
        path, is_folder = stack.pop()
        if is_folder:
            identity = _identity(path)
            if identity in seen:
                continue
            seen.add(identity)
            stack.extend(reversed(_entries(path)))
        yield path, is_folder


def _identity(folder: str) -> tuple[int, int]:
    """Return what tells a folder from all others, by whatever links it was reached."""
    try:
        status = os.stat(folder or ".")
    except OSError as error:
        raise _unreadable(folder, error) from error
    return status.st_dev, status.st_ino


def _entries(folder: str) -> list[tuple[str, bool]]:
    """List the paths in `folder` that are not hidden, sorted, with whether each is a folder."""
    try:
        with os.scandir(folder or ".") as entries:
            kept = sorted(
                (entry.name, _is_folder(entry)) for entry in entries if entry.name[0] != "."
            )
    except OSError as error:
        raise _unreadable(folder, error) from error
    return [(os.path.join(folder, name), is_folder) for name, is_folder in kept]


def _unreadable(folder: str, error: OSError) -> ImageSourceError:
    reason = error.strerror or error
    return ImageSourceError(f"cannot read folder {display_name(folder or '.')}: {reason}")


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link to itself: kept, so that loading it gives the reason
        return False
