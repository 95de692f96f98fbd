"""A model at an address, as a folder of this machine for as long as it is read or written."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twofold.bundle import HEADER, check_destination, listed_files
from twofold.errors import BundleError, RemoteError
from twofold.remote import (
    as_local,
    check_store,
    fetch,
    is_remote,
    list_files,
    printable,
    remove,
    store,
)

__all__ = ["check_model_out", "model_folder", "new_model_folder"]

# Of detector.json, as the reader of models allows.
_MOST_HEADER = 8 * 2**20


@contextmanager
def model_folder(path: str | Path) -> Iterator[Path]:
    """The folder to read a model from.

    Of an address, ``detector.json`` and the files that it lists are fetched into a folder that is
    removed afterwards; their hashes are checked by whoever reads it, as of any model.

    Args:
        path: of a folder, or an address such as ``s3://bucket/line_b.twofold``.

    Raises:
        BundleError: there is no model.
        MissingExtraError: the library for such addresses is not installed.
    """
    given = as_local(str(path))
    if not is_remote(given):
        yield Path(given)
        return
    url = given.rstrip("/")
    with tempfile.TemporaryDirectory(prefix="twofold-") as name:
        folder = Path(name)
        try:
            _fetch(url, HEADER, _MOST_HEADER, folder)
            for file, size in listed_files(folder).items():
                _fetch(url, file, max(size, 1), folder)
            yield folder
        except BundleError as error:
            raise BundleError(str(error).replace(name, printable(url))) from error


def _fetch(url: str, name: str, most: int, folder: Path) -> None:
    try:
        (folder / name).write_bytes(fetch(f"{url}/{name}", most))
    except RemoteError as error:
        raise BundleError(f"{printable(url)}/{name}: {error}") from error


def check_model_out(path: str | Path) -> None:
    """Refuse early what :func:`new_model_folder` would refuse after hours of work.

    Raises:
        BundleError: there is something else than a model.
        RemoteError: nothing can be written to the address.
        MissingExtraError: the library for such addresses is not installed.
    """
    given = as_local(str(path))
    if not is_remote(given):
        check_destination(given)
        return
    check_store(given)
    _names(given.rstrip("/"))


@contextmanager
def new_model_folder(path: str | Path) -> Iterator[Path]:
    """The folder to write a model into.

    What was written is stored at an address at the end, ``detector.json`` last, so that whoever
    reads meanwhile finds no model rather than parts of two.

    Args:
        path: of a folder, or an address such as ``s3://bucket/line_b.twofold``, of a new model or
            of one to replace.

    Raises:
        BundleError: there is something else than a model, or it cannot be stored.
        RemoteError: nothing can be written to the address.
        MissingExtraError: the library for such addresses is not installed.
    """
    given = as_local(str(path))
    if not is_remote(given):
        yield Path(given)
        return
    check_store(given)
    url = given.rstrip("/")
    before = _names(url)
    with tempfile.TemporaryDirectory(prefix="twofold-") as name:
        folder = Path(name) / "model"
        yield folder
        files = sorted(file.name for file in folder.iterdir() if file.name != HEADER)
        try:
            remove(f"{url}/{HEADER}")
            for file in (*files, HEADER):
                store(f"{url}/{file}", (folder / file).read_bytes())
            for file in before - {*files, HEADER}:
                remove(f"{url}/{file}")
        except RemoteError as error:
            raise BundleError(f"{printable(url)}: {error}") from error


def _names(url: str) -> set[str]:
    """Of the files of a model at an address; none where there is nothing.

    Raises:
        BundleError: there is something else than a model.
    """
    try:
        found = list_files(f"{url}/")
    except RemoteError as error:
        if str(error) == "no such file":
            return set()
        raise BundleError(f"{printable(url)}: {error}") from error
    names = {one.rpartition("/")[2] for one in found or ()}
    nested = [one for one in found or () if one.rpartition("/")[0] != url]
    if names and (HEADER not in names or nested):
        raise BundleError(f"{printable(url)}: holds something else than a model; name a new folder")
    return names
