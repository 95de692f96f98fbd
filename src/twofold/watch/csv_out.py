"""The results as a CSV file that only grows, brought up to the journal after whatever happened."""

from __future__ import annotations

import os
from io import BufferedRandom
from pathlib import Path

from twofold.errors import TwofoldError
from twofold.spreadsheet import csv_text
from twofold.watch.journal import Journal, Rows
from twofold.watch.schema import RESULT_FIELDS

__all__ = ["CsvOut"]

# Rows written at a time: memory stays flat where a whole file is written anew.
_CHUNK = 10_000
_PLACE = "csv"


class CsvOut:
    """Appends the rows that are missing.

    How many rows, and bytes, are surely on the disk is kept in the journal; whatever follows in
    the file must be the beginning of the rows that come next, as a killed writer leaves it.

    Args:
        path: of the file.
        journal: that it follows.
    """

    def __init__(self, path: Path, journal: Journal) -> None:
        self._path, self._journal = path, journal
        place = (journal.setting(_PLACE) or "0 0").split()
        self._n, self._end = int(place[0]), int(place[1])
        self._checked = False

    def catch_up(self) -> None:
        """Write what the journal has more; a file that is missing or empty is written anew.

        Raises:
            TwofoldError: the file was changed by somebody else; it is left as it is.
            OSError: it cannot be written.
        """
        with self._open() as stream:
            size = stream.seek(0, os.SEEK_END)
            if size == 0:
                self._n = self._end = 0
            elif size < self._end or not (self._checked or self._is_ours(stream)):
                raise self._changed()
            self._checked = True
            while rows := self._journal.rows_after(self._n, _CHUNK):
                self._append(stream, rows)
            if stream.seek(0, os.SEEK_END) != self._end:
                raise self._changed()

    def _open(self) -> BufferedRandom:
        descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
        return os.fdopen(descriptor, "r+b")

    def _append(self, stream: BufferedRandom, rows: Rows) -> None:
        content = _text(rows, with_header=self._end == 0)
        stream.seek(self._end)
        there = stream.read(len(content))
        # Some file systems leave zeros where a power failure came between length and content.
        kept = there if there == content else there.rstrip(b"\0")
        if not content.startswith(kept):
            raise self._changed()
        if len(kept) < len(content):
            stream.seek(self._end + len(kept))
            stream.truncate()
            stream.write(content[len(kept) :])
        stream.flush()
        os.fsync(stream.fileno())
        self._n, self._end = rows[-1][0], self._end + len(content)
        self._journal.keep({_PLACE: f"{self._n} {self._end}"})

    def _is_ours(self, stream: BufferedRandom) -> bool:
        """Whether the last row that is surely there stands where it was written."""
        if not self._n:
            return True
        content = _text(self._journal.rows_after(self._n - 1, 1), with_header=False)
        stream.seek(self._end - len(content))
        return stream.read(len(content)) == content

    def _changed(self) -> TwofoldError:
        return TwofoldError(
            f"{self._path}: was changed by something else; move it away, and the same command "
            "writes all its rows anew"
        )


def _text(rows: Rows, *, with_header: bool) -> bytes:
    header, _, lines = csv_text(RESULT_FIELDS, [row[1:] for row in rows]).partition("\n")
    return (f"{header}\n{lines}" if with_header else lines).encode()
