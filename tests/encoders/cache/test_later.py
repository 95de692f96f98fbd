"""Vectors of single images are written behind whoever waits for a score."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.encoders.cache.cases import OTHER, SPACE, digest, vectors
from tests.support.waiting import until

from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.cache_later import find_waiting, put_later, settle

SPACES = (SPACE, OTHER)


def test_what_waits_is_found_and_then_stored(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    (image, first), (_, second) = vectors(2).items()
    go, write = threading.Event(), EmbeddingCache.put_each

    def held_up(self: EmbeddingCache, entries: Any) -> None:
        assert go.wait(60)
        write(self, entries)

    monkeypatch.setattr(EmbeddingCache, "put_each", held_up)
    put_later(cache, SPACES, image, (first, second))
    found = find_waiting(cache, SPACES, image)
    assert found is not None
    np.testing.assert_array_equal(found, [first, second])
    assert find_waiting(cache, (SPACE, digest("third")), image) is None
    assert find_waiting(cache, SPACES, digest("another")) is None
    assert cache.get(SPACE, [image]) == {}
    go.set()
    settle()
    assert find_waiting(cache, SPACES, image) is None
    stored = cache.get_each(SPACES, [image])
    np.testing.assert_array_equal([part[image] for part in stored], [first, second])


def test_what_waits_is_of_one_cache(
    cache: EmbeddingCache, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "other").mkdir()
    go = threading.Event()
    monkeypatch.setattr(EmbeddingCache, "put_each", lambda self, entries: go.wait(60))
    ((image, value),) = vectors(1).items()
    put_later(cache, (SPACE,), image, (value,))
    assert find_waiting(EmbeddingCache(tmp_path / "other"), (SPACE,), image) is None
    go.set()
    settle()


def test_many_are_stored_and_none_is_forgotten(cache: EmbeddingCache) -> None:
    entries = vectors(200)
    for image, value in entries.items():
        put_later(cache, (SPACE,), image, (value,))
    settle()
    found = cache.get(SPACE, list(entries))
    assert found.keys() == entries.keys()


def test_they_are_stored_without_being_asked_for(cache: EmbeddingCache) -> None:
    ((image, value),) = vectors(1).items()
    put_later(cache, (SPACE,), image, (value,))
    until(lambda: bool(cache.get(SPACE, [image])), seconds=60)


def test_several_are_stored_together(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    calls: list[int] = []
    write = EmbeddingCache.put_each

    def counted(self: EmbeddingCache, entries: Any) -> None:
        calls.append(len(entries))
        write(self, entries)

    monkeypatch.setattr(EmbeddingCache, "put_each", counted)
    for image, value in vectors(20).items():
        put_later(cache, (SPACE,), image, (value,))
    settle()
    assert sum(calls) == 20
    assert len(calls) <= 3


def test_large_arrays_are_stored_at_once(cache: EmbeddingCache) -> None:
    image, value = digest("large"), np.zeros(300_000, np.float32)
    put_later(cache, (SPACE,), image, (value,))
    assert find_waiting(cache, (SPACE,), image) is None
    assert image in cache.get(SPACE, [image])


def test_a_process_that_ends_stores_first(cache: EmbeddingCache, tmp_path: Path) -> None:
    code = """
import sys
from pathlib import Path
import numpy as np
from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.cache_later import put_later
cache = EmbeddingCache(Path(sys.argv[1]))
for image in sys.argv[3:]:
    put_later(cache, [sys.argv[2]], image, [np.ones(4, np.float32)])
"""
    images = [digest(f"image {i}") for i in range(20)]
    subprocess.run([sys.executable, "-c", code, str(tmp_path), SPACE, *images], check=True)
    assert set(cache.get(SPACE, images)) == set(images)
