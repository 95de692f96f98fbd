"""Encoded rows, in memory or in a temporary file where there are too many bytes of them."""

from __future__ import annotations

import math
import tempfile
import threading
import weakref
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.lazy import LazyRows
from twofold.errors import ImageSourceError

__all__ = ["DiskRows", "RowSink"]

Floats = NDArray[np.float32]

# Bytes of one output of a set of images that stay in memory: patches at 224 pixels of 1,100 images,
# at 1,024 pixels of 50. Fits read larger ones block by block, from memory no faster than they work.
_IN_MEMORY = 128 * 2**20


class _File:
    """float32 rows of one shape in a file that is gone once nobody holds it."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self.shape, self._nbytes = shape, 4 * math.prod(shape)
        self._file: IO[bytes] = tempfile.TemporaryFile(prefix="twofold-rows-")  # noqa: SIM115
        self._lock = threading.Lock()
        weakref.finalize(self, self._file.close)

    def write(self, row: int, values: Floats) -> None:
        with self._lock:
            self._file.seek(row * self._nbytes)
            self._file.write(np.ascontiguousarray(values, dtype=np.float32).data)

    def read(self, row: int, out: Floats) -> None:
        with self._lock:
            self._file.seek(row * self._nbytes)
            self._file.readinto(out.data)  # type: ignore[attr-defined]


class DiskRows(LazyRows):
    """Rows of a temporary file, float32 (n, ...), read when they are asked for.

    Args:
        file: that holds them.
        rows: int (n,), which of its rows these are.
    """

    def __init__(self, file: _File, rows: NDArray[np.integer]) -> None:
        self._file, self._rows = file, rows
        self.shape: tuple[int, ...] = (len(rows), *file.shape)

    def __getitem__(self, rows: Any) -> NDArray[Any]:
        chosen = self._rows[rows]
        found = np.empty((*np.shape(chosen), *self._file.shape), dtype=np.float32)
        for place, row in np.ndenumerate(np.asarray(chosen)):
            self._file.read(int(row), found[place])
        return found

    def select(self, rows: NDArray[np.integer]) -> DiskRows:
        """The given rows, still on disk."""
        return DiskRows(self._file, self._rows[rows])


class RowSink:
    """Takes the rows of one output, one by one, and gives the whole.

    Args:
        n: rows at most.
    """

    def __init__(self, n: int) -> None:
        self._most, self._n = n, 0
        self._array: Floats | None = None
        self._file: _File | None = None

    def append(self, values: Floats) -> None:
        """The next row.

        Raises:
            ImageSourceError: the disk is full.
        """
        if self._array is None and self._file is None:
            if 4 * values.size * self._most > _IN_MEMORY:
                self._file = _File(values.shape)
            else:
                self._array = np.empty((self._most, *values.shape), dtype=np.float32)
        if self._array is not None:
            self._array[self._n] = values
        elif self._file is not None:
            self._write(self._file, values)
        self._n += 1

    def _write(self, file: _File, values: Floats) -> None:
        try:
            file.write(self._n, values)
        except OSError as error:
            raise ImageSourceError(
                f"no room for encoded images in {tempfile.gettempdir()} ({error.strerror}): set "
                "TMPDIR to a folder with more"
            ) from error

    def rows(self) -> Floats | DiskRows:
        """All rows; float32 (0,) where there are none."""
        if self._file is not None:
            return DiskRows(self._file, np.arange(self._n))
        return np.empty((0,), dtype=np.float32) if self._array is None else self._array[: self._n]
