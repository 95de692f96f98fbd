"""A model at an address, as a folder of this machine for as long as it is read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from twofold.bundle import HEADER, listed_files
from twofold.errors import BundleError, RemoteError
from twofold.remote import as_local, fetch, is_remote, printable

__all__ = ["model_folder"]

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
