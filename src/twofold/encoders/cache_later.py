"""Vectors of one image at a time go to the cache while the next image is looked at.

Opening and writing the cache takes a fifth as long as a small network, and who waits for the score
of one image need not wait for that.
"""

from __future__ import annotations

import atexit
import threading
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.cache import EmbeddingCache
from twofold.threads import PerProcess

__all__ = ["find_waiting", "put_later", "settle"]

Entry = tuple[str, str, NDArray[np.float32]]

# For so long, in seconds, vectors are gathered before they are written: opening the file once for
# each of several images a second would hold up those who look into it.
_PAUSE = 0.5
# So many images are written without waiting for more; of four times as many, whoever brings one
# more writes them.
_MANY = 32
# Bytes of an image's arrays, of which `auto` has 130,000: larger ones are written at once.
_LARGE = 1_000_000


class _Later:
    """What waits to be written, and the one thread that writes it.

    The thread does not keep the interpreter from ending, which writes what is left.
    """

    def __init__(self) -> None:
        self._waiting: dict[tuple[Path, str], tuple[EmbeddingCache, list[Entry]]] = {}
        self._lock, self._writing = threading.Lock(), threading.Lock()
        self._some, self._many = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None

    def put(self, cache: EmbeddingCache, image: str, entries: list[Entry]) -> None:
        with self._lock:
            self._waiting[cache.path, image] = cache, entries
            n = len(self._waiting)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="cache", daemon=True)
                self._thread.start()
        self._some.set()
        if n >= _MANY:
            self._many.set()
        if n > 4 * _MANY:
            self.write()

    def find(self, cache: EmbeddingCache, image: str) -> list[Entry]:
        with self._lock:
            return self._waiting.get((cache.path, image), (cache, []))[1]

    def write(self) -> None:
        """Write all that waits; until it is there it can be found here."""
        with self._writing:
            with self._lock:
                mine = dict(self._waiting)
            for path in {path for path, _ in mine}:
                own = [value for (other, _), value in mine.items() if other == path]
                own[0][0].put_each([entry for _, entries in own for entry in entries])
            with self._lock:
                for key, value in mine.items():
                    if self._waiting.get(key) is value:
                        del self._waiting[key]

    def _run(self) -> None:
        while True:
            self._some.wait()
            self._many.wait(_PAUSE)
            self._some.clear()
            self._many.clear()
            self.write()


_later = PerProcess(_Later)


def put_later(
    cache: EmbeddingCache, spaces: Sequence[str], image: str, values: Sequence[NDArray[np.float32]]
) -> None:
    """Store an image's array of each space soon, large ones now; before the process ends.

    Args:
        cache: to store them in.
        spaces: of the arrays.
        image: its digest.
        values: float32, one for each space; not to be changed any more.
    """
    entries = [(space, image, value) for space, value in zip(spaces, values, strict=True)]
    if sum(value.nbytes for value in values) > _LARGE:
        cache.put_each(entries)
    else:
        _later.get().put(cache, image, entries)


def find_waiting(
    cache: EmbeddingCache, spaces: Sequence[str], image: str
) -> tuple[NDArray[np.float32], ...] | None:
    """An image's array of each space, if they still wait to be stored; None if any does not."""
    found = {space: value for space, _, value in _later.get().find(cache, image)}
    return tuple(found[space] for space in spaces) if found.keys() >= set(spaces) else None


def settle() -> None:
    """Store all that this process has put."""
    _later.get().write()


atexit.register(settle)
