"""Vectors of one image at a time go to the cache while the next image is looked at.

Opening and writing the cache takes a fifth as long as a small network, and who waits for the score
of one image need not wait for that.
"""

from __future__ import annotations

import threading
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.cache import EmbeddingCache
from twofold.threads import PerProcess

__all__ = ["find_waiting", "put_later", "settle"]

Entry = tuple[str, str, NDArray[np.float32]]

# Images that wait to be written; with one more, whoever brings it waits.
_MOST_WAITING = 64
# Bytes of an image's arrays, of which `auto` has 130,000: larger ones are written at once.
_LARGE = 1_000_000


class _Later:
    """What waits to be written, and the one thread that writes it.

    The thread ends with the interpreter, which waits until all is written.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: dict[tuple[Path, str], list[Entry]] = {}
        self._writer = ThreadPoolExecutor(1, thread_name_prefix="cache")
        self._last: Future[None] | None = None

    def put(self, cache: EmbeddingCache, image: str, entries: list[Entry]) -> None:
        with self._lock:
            self._waiting[cache.path, image] = entries
            full = len(self._waiting) > _MOST_WAITING
        try:
            self._last = self._writer.submit(self._write, cache)
        except RuntimeError:  # the interpreter ends
            self._write(cache)
        if full:
            self.settle()

    def find(self, cache: EmbeddingCache, image: str) -> list[Entry]:
        with self._lock:
            return self._waiting.get((cache.path, image), [])

    def settle(self) -> None:
        last = self._last
        if last is not None:
            last.result()

    def _write(self, cache: EmbeddingCache) -> None:
        """Write all that waits for this cache; until it is there it can be found here."""
        with self._lock:
            mine = {key: value for key, value in self._waiting.items() if key[0] == cache.path}
        try:
            cache.put_each([entry for entries in mine.values() for entry in entries])
        finally:
            with self._lock:
                for key, entries in mine.items():
                    if self._waiting.get(key) is entries:
                        del self._waiting[key]


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
    """Wait until all that this process has put is stored."""
    _later.get().settle()
