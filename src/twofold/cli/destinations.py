"""Whether what a command is to write can be written: asked before its work; nothing is made."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from twofold.errors import UsageError
from twofold.files import refuse_folder
from twofold.remote import as_local, is_address, is_remote

__all__ = ["check_file", "check_folder", "check_model", "check_parents"]


def check_file(option: str, given: str | Path | None) -> None:
    """Raise UsageError where no file can be written, such as a folder. None asks for no file."""
    if given is None:
        return
    path = _local(option, given)
    with _named(option, path):
        refuse_folder(path, option)
        if not path.exists():  # an existing one may be a device, in a folder of others
            _check_lowest(option, path, path.parents)


def check_folder(option: str, given: str | Path | None) -> None:
    """Raise UsageError where no folder can be made or written into. None asks for no folder."""
    if given is None:
        return
    path = _local(option, given)
    with _named(option, path):
        if path.exists() and not path.is_dir():
            raise UsageError(f"{option} {path}: is a file; name a folder")
        _check_lowest(option, path, (path, *path.parents))


def check_parents(option: str, given: str | Path) -> None:
    """Raise UsageError where the folders above a path cannot be made or written into."""
    path = _local(option, given)
    with _named(option, path):
        _check_lowest(option, path, path.parents)


def check_model(option: str, given: str) -> None:
    """Raise an error where no model can be written, in a folder or at an address.

    Raises:
        UsageError: the folders above it cannot be made or written into.
        BundleError: there is something else than a model.
        RemoteError: nothing can be written to the address.
        MissingExtraError: the library for such addresses is not installed.
    """
    from twofold.detector.far_model import check_model_out  # noqa: PLC0415 - slow to import

    if not is_remote(as_local(given)):
        check_parents(option, as_local(given))
    check_model_out(given)


def _local(option: str, given: str | Path) -> Path:
    """A path of this machine; "s3://x" would make a folder called "s3:"."""
    if is_address(given):
        raise UsageError(f"{option} {given}: is an address; results are written to this machine")
    return Path(given)


def _check_lowest(option: str, path: Path, folders: Sequence[Path]) -> None:
    """Check the lowest folder that is there: the others would be made in it."""
    lowest = next((folder for folder in folders if os.path.lexists(folder)), None)
    if lowest is not None and not lowest.is_dir():
        raise UsageError(f"{option} {path}: {lowest} is not a folder")
    if lowest is not None and not os.access(lowest, os.W_OK):
        raise UsageError(f"{option} {path}: {lowest} cannot be written")


@contextmanager
def _named(option: str, path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:  # a name too long, say
        raise UsageError(f"{option} {path}: {error.strerror}") from error
