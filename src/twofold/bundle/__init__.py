"""The file format of a fitted model: a folder of JSON and safetensors, and no pickle anywhere.

``detector.json`` holds what a person may want to read (the caller's own keys, then the size and
SHA-256 of every other file, the type and shape of every tensor, and a checksum of the JSON itself);
``tensors.safetensors`` holds the arrays; further ``<name>.safetensors`` files ("extras") hold
arrays that are only loaded on demand. The checksums find damage and mix-ups. They are no
signature: whoever can write the folder can also write matching checksums, so everything read is
treated as hostile even when they match.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import safetensors.numpy
from numpy.typing import NDArray
from pydantic import JsonValue

from twofold.bundle import _document, _files, _tensors
from twofold.bundle._document import RESERVED, SCHEMA_VERSION, TENSORS
from twofold.bundle._files import HEADER, show
from twofold.errors import BundleError
from twofold.files import temporary_beside

__all__ = [
    "HEADER",
    "SCHEMA_VERSION",
    "Bundle",
    "check_destination",
    "listed_files",
    "model_digest",
    "read_bundle",
    "write_bundle",
]

_EXTRA_NAME = re.compile(r"[a-z][a-z0-9_]{0,40}")
_ATTEMPTS = 5  # at reading a folder that keeps being replaced


@dataclass(frozen=True, eq=False)
class Bundle:
    """A model as read from its folder.

    ``header`` holds the keys given to :func:`write_bundle`; ``tensors`` the arrays by name (in the
    order of names), writable and with memory of their own; ``path`` the folder as the caller named
    it; ``extras`` the sorted names that :meth:`extra` can load.
    """

    header: dict[str, JsonValue]
    tensors: dict[str, NDArray[Any]] = field(repr=False)
    path: Path
    extras: tuple[str, ...]
    # After an interrupted save the folder read is the previous one, not ``path``.
    _folder: Path = field(repr=False)
    _listed: Mapping[str, _document.Entry] = field(repr=False)

    @property
    def folder(self) -> Path:
        """The folder that was read: after an interrupted save the previous one, not ``path``."""
        return self._folder

    def extra(self, name: str) -> dict[str, NDArray[Any]]:
        """Load the additional file ``<name>.safetensors`` and return its arrays by name.

        Raises ``BundleError`` if the model has no such file, or if the file is not byte for byte
        what ``detector.json`` stated when the bundle was read.
        """
        if name not in self.extras:
            known = ", ".join(self.extras) or "none"
            raise BundleError(f"{show(self.path)}: no extra file {show(name)!r} (has: {known})")
        file = self._folder / f"{name}.safetensors"
        tensors = _tensors.load(file, self._listed[file.name])
        _tensors.check_tensors(file, tensors)
        return tensors


def model_digest(path: str | Path) -> str:
    """What identifies a model: the SHA-256 of its ``detector.json``, which lists all other files.

    The same for a copy of the folder; another after the model was saved again with a change.

    Raises ``BundleError`` if there is no such file.
    """
    file = Path(path) / HEADER
    try:
        return hashlib.sha256(file.read_bytes()).hexdigest()
    except OSError as error:
        raise BundleError(f"{show(file)}: {error.strerror}; give a model folder") from error


def listed_files(path: str | Path) -> dict[str, int]:
    """The files that the ``detector.json`` of a folder lists, and their bytes; none is opened.

    Raises ``BundleError`` if it is not that of a model.
    """
    file = Path(path) / HEADER
    document = _document.checked_document(file, _files.read_regular(file, None))
    return {
        name: one.size for name, one in _document.checked_files(file, document["files"]).items()
    }


def check_destination(path: str | Path) -> Path:
    """Refuse early what :func:`write_bundle` would refuse after hours of work.

    Raises ``BundleError`` for a ``path`` without a name, or one that exists and is not a model.
    """
    target = _files.as_path(path)
    if target.name in ("", ".."):
        raise BundleError(f"{show(target)}: name the folder to save the model in")
    with _files.os_errors("save the model", target):
        _files.check_replaceable(target)
    return target


def write_bundle(
    path: str | Path,
    header: Mapping[str, JsonValue],
    tensors: Mapping[str, NDArray[Any]],
    extras: Mapping[str, Mapping[str, NDArray[Any]]] | None = None,
) -> None:
    """Save a model as the folder ``path``, replacing the model that is there, if any.

    ``header`` is plain JSON content (finite numbers, text keys, lists rather than tuples) without
    the keys ``schema_version``, ``format``, ``files``, ``tensors`` and ``checksum``. Arrays may
    have any shape, of float16/32/64, (u)int8 to 64 or bool, with finite values; an array is stored
    in C order and little-endian. ``extras`` maps names matching ``[a-z][a-z0-9_]{0,40}`` to the
    arrays of additional files.

    The files are written to a hidden folder beside ``path`` and swapped in by renaming, so a
    process killed at any moment leaves the old model or the new one to :func:`read_bundle`. What a
    killed save leaves (``.<name>.tmp-<16 hex digits>`` and a lock file) is removed by the next save
    or read of the same path, on file systems without locks once it is a day old. Saves to one path
    must not run at the same time.

    Raises ``BundleError`` for content that cannot be stored, for a ``path`` that exists and is not
    a model (or holds other files, which would be lost), and when the disk refuses.
    """
    target = check_destination(path)
    content = _document.plain_header(target, header)
    parts = {TENSORS: _tensors.storable(target, tensors)}
    for name in sorted(extras or {}):
        if not _EXTRA_NAME.fullmatch(name) or f"{name}.safetensors" == TENSORS:
            raise BundleError(f"{show(target)}: {show(name)!r} is no name for an extra file")
        parts[f"{name}.safetensors"] = _tensors.storable(target, (extras or {})[name])
    previous = _files.previous_of(target)
    with _files.os_errors("save the model", target):
        _files.check_replaceable(target)
        _files.make_parents(target)
        _files.remove_leftovers(target)
        with temporary_beside(target) as temporary:
            try:
                temporary.mkdir()
                _fill(temporary, target, content, parts)
                _files.swap(temporary, target, previous)
            except BaseException:
                with suppress(OSError):
                    _files.remove(temporary)
                raise
        with suppress(OSError):  # the new model is in place; the next save tries again
            _files.remove(previous)


def read_bundle(path: str | Path) -> Bundle:
    """Read and verify the model in the folder ``path`` (which may be a link to the folder).

    If ``path`` is missing because a save was killed at the moment of replacing it, the model it was
    about to replace is read. A save that runs at the same time is no error: the old model is read,
    or the new one. Nothing but ``detector.json`` and the files it lists is opened, each is read
    once, and nothing in them is executed. Extras are checked for presence and size here and for
    content by :meth:`Bundle.extra`. Folders that killed saves to ``path`` have left are removed.

    Raises ``BundleError`` for anything but a whole, unaltered model of a known schema.
    """
    asked = _files.as_path(path)
    _files.remove_leftovers(asked)
    for attempts_left in reversed(range(_ATTEMPTS)):
        folder, state = _files.existing_folder(asked)
        try:
            return _read(asked, folder)
        except BundleError:
            # What looks like damage is not if the folder was replaced under our hands.
            if attempts_left == 0 or _files.existing_folder(asked)[1] == state:
                raise
    raise AssertionError("the last attempt returns or raises")


def _read(asked: Path, folder: Path) -> Bundle:
    file = folder / HEADER
    raw = _files.read_regular(file, None)
    document = _document.checked_document(file, raw)
    files = _document.checked_files(file, document["files"])
    for name, entry in files.items():
        with _files.os_errors("read", folder / name):
            _files.check_status(folder / name, os.lstat(folder / name), entry.size)
    tensors = _tensors.load(folder / TENSORS, files[TENSORS])
    _tensors.check_listed(folder / TENSORS, tensors, document["tensors"])
    _tensors.check_tensors(folder / TENSORS, tensors)
    _document.check_layout(file, raw, document)
    header = {key: value for key, value in document.items() if key not in RESERVED}
    extras = tuple(sorted(name.removesuffix(".safetensors") for name in files if name != TENSORS))
    return Bundle(header, tensors, asked, extras, folder, files)


def _fill(
    folder: Path,
    target: Path,
    content: Mapping[str, JsonValue],
    parts: Mapping[str, dict[str, NDArray[Any]]],
) -> None:
    files: dict[str, JsonValue] = {}
    for name, tensors in parts.items():
        raw = safetensors.numpy.save(tensors)
        _tensors.check_header(target / name, raw)
        if len(raw) > _files.MAX_FILE_BYTES:
            raise BundleError(f"{show(target)}: {name} would be too large ({len(raw)} bytes)")
        files[name] = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
        _files.write_file(folder / name, raw)
    document: dict[str, JsonValue] = {"schema_version": SCHEMA_VERSION, "format": "twofold"}
    document |= {**content, "files": files, "tensors": _tensors.described(parts[TENSORS])}
    document["checksum"] = _document.checksum_of(document)
    raw = _document.render(document)
    if len(raw) > _files.MAX_HEADER_BYTES:
        raise BundleError(f"{show(target)}: {HEADER} would be too large ({len(raw)} bytes)")
    _files.write_file(folder / HEADER, raw)
    _files.fsync_folder(folder)
