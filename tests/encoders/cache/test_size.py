"""The embedding cache: its limit, and which images it keeps."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from tests.encoders.cache.cases import OTHER, SPACE, Vectors, assert_same, digest, held, vectors

from twofold.encoders import cache as cache_module
from twofold.encoders.cache import EmbeddingCache


class Clock:
    """Stands for the wall clock, in hours."""

    def __init__(self) -> None:
        self.hours = 500_000.0

    def time(self) -> float:
        return 3600 * self.hours


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    clock = Clock()
    monkeypatch.setattr(cache_module, "time", clock)
    return clock


@pytest.mark.usefixtures("clock")
def test_at_its_limit_it_keeps_whole_images_of_all_spaces(tmp_path: Path) -> None:
    """What `auto` does: portions of images, each put in three spaces one after the other."""
    cache = EmbeddingCache(tmp_path, max_bytes=1_000_000)
    spaces = [digest(f"space {i}") for i in range(3)]
    everything: Vectors = {}
    for portion in range(10):
        images = vectors(20, size=1000, name=f"portion {portion}")
        everything |= images
        for space in spaces:
            cache.put(space, images.items())
            assert held(cache, images, *spaces[: spaces.index(space) + 1]) == 20
        assert cache.size() < 1_500_000
    usable = held(cache, everything, *spaces)
    assert 50 < usable < 85  # 12 KB each, so some 75 fit
    # Nothing is kept that is of no use.
    assert [held(cache, everything, space) for space in spaces] == [usable] * 3


@pytest.mark.usefixtures("clock")
def test_a_folder_twice_as_large_stays_warm_in_part(tmp_path: Path) -> None:
    """With the least recently used dropped first, the second reading would find nothing."""
    cache = EmbeddingCache(tmp_path, max_bytes=1_000_000)
    spaces = [digest(f"space {i}") for i in range(3)]
    folder = list(vectors(150, size=1000).items())  # 75 fit
    shares = []
    for _ in range(4):
        found = 0
        for start in range(0, len(folder), 10):
            chunk = dict(folder[start : start + 10])
            parts = [set(cache.get(space, list(chunk))) for space in spaces]
            known = set.intersection(*parts)
            found += len(known)
            fresh = [item for item in chunk.items() if item[0] not in known]
            for space in spaces:
                cache.put(space, fresh)
        shares.append(found / len(folder))
    assert shares[0] == 0
    assert min(shares[1:]) >= 0.35


def test_the_longest_unused_go_first(tmp_path: Path, clock: Clock) -> None:
    cache = EmbeddingCache(tmp_path, max_bytes=300_000)
    old, newer = vectors(20, size=1000), vectors(20, size=1000, name="newer")
    cache.put(SPACE, old.items())
    clock.hours += 1
    cache.put(OTHER, newer.items())
    clock.hours += 1
    read = dict(list(old.items())[:10])
    assert_same(cache.get(SPACE, list(read)), read)  # found, and so used
    clock.hours += 1
    cache.put(SPACE, vectors(35, size=1000, name="newest").items())
    assert held(cache, read, SPACE) == 10
    assert 0 < held(cache, newer, OTHER) < 20
    assert held(cache, dict(list(old.items())[10:]), SPACE) == 0


def test_reading_again_within_the_hour_writes_nothing(cache: EmbeddingCache, clock: Clock) -> None:
    entries = vectors(5)
    cache.put(SPACE, entries.items())
    with closing(sqlite3.connect(cache.path)) as watch:
        versions = []
        for step in (0.0, 0.0, 1.0, 0.4):
            clock.hours += step
            cache.get(SPACE, list(entries))
            versions.append(watch.execute("PRAGMA data_version").fetchone()[0])
    assert versions[0] == versions[1] < versions[2] == versions[3]


def test_a_clock_that_was_wrong_does_not_keep_images_for_ever(tmp_path: Path, clock: Clock) -> None:
    cache = EmbeddingCache(tmp_path, max_bytes=300_000)
    future, present = vectors(40, size=1000), vectors(40, size=1000, name="present")
    clock.hours += 1000
    cache.put(SPACE, future.items())
    clock.hours -= 1000
    for start in range(0, 40, 10):
        cache.put(SPACE, list(present.items())[start : start + 10])
    assert held(cache, present, SPACE) == 40


@pytest.mark.usefixtures("clock")
def test_what_alone_exceeds_the_limit_is_kept_in_part(tmp_path: Path) -> None:
    cache = EmbeddingCache(tmp_path, max_bytes=100_000)
    before, entries = vectors(2, size=1000, name="before"), vectors(50, size=1000)
    cache.put(SPACE, before.items())
    cache.put(SPACE, entries.items())
    assert cache.size() <= 150_000
    assert 0 < held(cache, entries, SPACE) < 25
    assert held(cache, before, SPACE) == 0


@pytest.mark.usefixtures("clock")
def test_a_smaller_limit_shrinks_the_file(tmp_path: Path) -> None:
    EmbeddingCache(tmp_path).put(SPACE, vectors(200, size=1000).items())
    small = EmbeddingCache(tmp_path, max_bytes=100_000)
    assert small.size() > 800_000
    last = vectors(2, size=1000, name="last")
    small.put(SPACE, last.items())
    assert small.size() <= 150_000
    assert held(small, last, SPACE) == 2


def test_the_file_of_the_first_layout_is_deleted(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for suffix in ("", "-wal", "-shm"):
        (tmp_path / f"embeddings.sqlite{suffix}").write_bytes(b"old")
    entries = vectors(3)
    cache = EmbeddingCache(tmp_path)
    assert cache.get(SPACE, list(entries)) == {}
    cache.put(SPACE, entries.items())
    assert_same(cache.get(SPACE, list(entries)), entries)
    assert not list(tmp_path.glob("embeddings.sqlite*"))
    assert capsys.readouterr().err == ""
