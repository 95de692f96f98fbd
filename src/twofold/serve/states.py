"""What tests of drift know, kept in a folder: for a service that is started again."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

from twofold.deferred import deferred
from twofold.drift import read_document
from twofold.files import write_whole

if TYPE_CHECKING:
    import filelock
else:
    filelock = deferred("filelock")

__all__ = ["State"]

# Workers have at most as many files at a time, and a model that is read again one more.
_MOST_FILES: Final = 128


class State:
    """A file that no other test writes to, as long as this one is open.

    Each of several workers watches a stream of its own, and takes the first file that nobody has.

    Args:
        folder: of the files of all models; made if it is not there.
        sha256: of the model: one that was changed begins anew.

    Raises:
        OSError: the folder cannot be written.
    """

    def __init__(self, folder: Path, sha256: str) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for number in range(_MOST_FILES):
            self.path = folder / f"{sha256[:16]}.{number}.json"
            self._lock = filelock.FileLock(f"{self.path}.lock")
            try:
                self._lock.acquire(timeout=0)
            except filelock.Timeout:
                continue
            return
        raise OSError(f"{folder}: all {_MOST_FILES} files of a model are taken")

    def read(self) -> bytes | None:
        """What was kept; None if there is nothing.

        Raises:
            ConfigError: it is too large for that.
            OSError: it cannot be read.
        """
        return read_document(self.path, str(self.path))

    def write(self, content: bytes) -> None:
        """Keep that instead.

        Raises:
            OSError: it cannot be written.
        """
        write_whole(self.path, content)

    def close(self) -> None:
        """Let another test have the file."""
        with suppress(OSError):
            self._lock.release()
