"""The embedding cache: what is put in comes out, or nothing does; never wrong, never a failure."""

from __future__ import annotations

import hashlib
import random
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from filelock import FileLock
from numpy.typing import NDArray

from twofold.encoders import cache as cache_module
from twofold.encoders import cache_file
from twofold.encoders.cache import EmbeddingCache, cache_folder, default_cache
from twofold.errors import UsageError

Vectors = dict[str, NDArray[np.float32]]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


SPACE, OTHER = digest("space"), digest("other space")


def vectors(n: int, size: int = 16, name: str = "image") -> Vectors:
    generator = np.random.default_rng(n)
    return {digest(f"{name} {i}"): generator.normal(size=size).astype(np.float32) for i in range(n)}


def assert_same(found: Vectors, expected: Vectors) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)
        assert found[key].dtype == np.float32
        assert found[key].shape == value.shape


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path)


def sql(cache: EmbeddingCache, statement: str, *values: object) -> int:
    with closing(sqlite3.connect(cache.path)) as database, database:
        return database.execute(statement, values).rowcount


# Plain use


@pytest.mark.parametrize("shape", [(1280,), (1,), (3, 4, 5), (0,), (2, 0), ()], ids=str)
def test_arrays_of_any_shape_come_back(cache: EmbeddingCache, shape: tuple[int, ...]) -> None:
    value = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    cache.put(SPACE, [(digest("a"), np.asarray(value, dtype=np.float32))])
    assert_same(cache.get(SPACE, [digest("a")]), {digest("a"): np.asarray(value)})


def test_values_come_back_bit_by_bit(cache: EmbeddingCache) -> None:
    value = np.array([0.0, -0.0, np.inf, -np.inf, np.nan, 1e-45, 3.4e38], dtype=np.float32)
    cache.put(SPACE, [(digest("a"), value)])
    assert cache.get(SPACE, [digest("a")])[digest("a")].tobytes() == value.tobytes()


def test_views_in_any_layout_are_stored_by_value(cache: EmbeddingCache) -> None:
    value = np.arange(24, dtype=np.float32).reshape(2, 3, 4).transpose(2, 0, 1)[::2]
    cache.put(SPACE, [(digest("a"), value)])
    assert_same(cache.get(SPACE, [digest("a")]), {digest("a"): value})


def test_what_comes_back_may_be_changed(cache: EmbeddingCache) -> None:
    entries = vectors(1)
    cache.put(SPACE, entries.items())
    (value,) = cache.get(SPACE, list(entries)).values()
    value += 1
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_more_images_than_one_query_takes(cache: EmbeddingCache) -> None:
    entries = vectors(1201, size=2)
    cache.put(SPACE, entries.items())
    absent = [digest(f"absent {i}") for i in range(300)]
    assert_same(cache.get(SPACE, [*absent, *entries]), entries)


def test_spaces_are_apart(cache: EmbeddingCache) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())
    assert cache.get(OTHER, list(entries)) == {}
    cache.put(OTHER, [(key, value + 1) for key, value in entries.items()])
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_an_entry_is_replaced(cache: EmbeddingCache) -> None:
    key = digest("a")
    cache.put(SPACE, [(key, np.ones(3, dtype=np.float32))])
    cache.put(SPACE, [(key, np.zeros(5, dtype=np.float32))])
    assert_same(cache.get(SPACE, [key]), {key: np.zeros(5, dtype=np.float32)})


def test_nothing_in_and_nothing_out(cache: EmbeddingCache) -> None:
    assert cache.size() == 0
    assert cache.get(SPACE, [digest("a")]) == {}
    assert cache.get(SPACE, []) == {}
    cache.put(SPACE, [])


def test_clear_forgets_everything(cache: EmbeddingCache) -> None:
    cache.clear()
    assert list(cache.path.parent.iterdir()) == []
    entries = vectors(50, size=1000)
    cache.put(SPACE, entries.items())
    assert cache.size() > 200_000
    cache.clear()
    assert cache.size() < 30_000
    assert cache.get(SPACE, list(entries)) == {}
    cache.put(SPACE, entries.items())
    assert_same(cache.get(SPACE, list(entries)), entries)


# Its size


def held(cache: EmbeddingCache, entries: Vectors, *spaces: str) -> int:
    """How many of the images have their vector in every space."""
    parts = [set(cache.get(space, list(entries))) for space in spaces]
    return len(set.intersection(*parts))


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


# Mistakes of the caller


@pytest.mark.parametrize(
    "wrong", ["not hex", "", "ab", "g" * 64, "A" * 64, f"{SPACE}\n", SPACE[:-1], None, 7, b"x"]
)
def test_what_is_no_digest_is_refused_and_harms_nothing(cache: EmbeddingCache, wrong: Any) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())
    value = np.zeros(3, dtype=np.float32)
    for call, name in (
        (lambda: cache.get(wrong, list(entries)), "space"),
        (lambda: cache.get(SPACE, [*entries, wrong]), "images"),
        (lambda: cache.put(wrong, []), "space"),
        (lambda: cache.put(SPACE, [(digest("new"), value), (wrong, value)]), "entries"),
    ):
        with pytest.raises(UsageError, match=f"^{name}: .* is no digest"):
            call()
    assert_same(cache.get(SPACE, [*entries, digest("new")]), entries)


@pytest.mark.parametrize("error", [TypeError, ValueError, AttributeError, OverflowError])
def test_a_mistake_in_the_code_is_not_taken_for_damage(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch, error: type[Exception]
) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())

    def fail(*_: object) -> None:
        raise error("a mistake")

    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "_decode", fail)
        with pytest.raises(error, match="a mistake"):
            cache.get(SPACE, list(entries))
    with pytest.raises(ValueError, match="could not convert"):
        cache.put(SPACE, [(digest("a"), np.array(["text"]))])
    with pytest.raises(sqlite3.ProgrammingError):
        cache._file.run(lambda database: database.execute("SELECT ?"), None)
    assert_same(cache.get(SPACE, list(entries)), entries)


# Damage


POISON = {
    "a bit of the data": "UPDATE vectors SET data = ?1 || substr(data, 2) WHERE image = ?2",
    "data too short": "UPDATE vectors SET data = substr(data, 5) WHERE image = ?2",
    "data too long": "UPDATE vectors SET data = CAST(data || ?1 AS BLOB) WHERE image = ?2",
    "no data": "UPDATE vectors SET data = x'' WHERE image = ?2",
    "data as text": "UPDATE vectors SET data = 'text' WHERE image = ?2",
    "data as a number": "UPDATE vectors SET data = 3.5 WHERE image = ?2",
    "another shape": "UPDATE vectors SET shape = '4,4' WHERE image = ?2",
    "one dimension more": "UPDATE vectors SET shape = '16,1' WHERE image = ?2",
    "a shape of other length": "UPDATE vectors SET shape = '15' WHERE image = ?2",
    "no shape": "UPDATE vectors SET shape = '' WHERE image = ?2",
    "a shape that is none": "UPDATE vectors SET shape = 'sixteen' WHERE image = ?2",
    "a shape as a number": "UPDATE vectors SET shape = 16.5 WHERE image = ?2",
    "a shape that is no text": "UPDATE vectors SET shape = CAST(x'ff31' AS TEXT) WHERE image = ?2",
    "hash of zeros": "UPDATE vectors SET sha256 = zeroblob(32) WHERE image = ?2",
    "hash as text": "UPDATE vectors SET sha256 = 'abc' WHERE image = ?2",
    "hash of the data alone": "UPDATE vectors SET data = ?3, sha256 = ?4 WHERE image = ?2",
    "values of another image": (
        "UPDATE vectors SET (data, sha256) = "
        "(SELECT data, sha256 FROM vectors WHERE image != ?2 LIMIT 1) WHERE image = ?2"
    ),
}


@pytest.mark.parametrize("statement", POISON.values(), ids=POISON)
def test_a_poisoned_entry_is_dropped_and_can_be_put_again(
    cache: EmbeddingCache, statement: str, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = vectors(6)
    cache.put(SPACE, entries.items())
    victim = list(entries)[2]
    other = np.zeros(16, dtype=np.float32).tobytes()
    values = (b"\x01", bytes.fromhex(victim), other, hashlib.sha256(other).digest())
    with closing(sqlite3.connect(cache.path)) as database, database:
        used = {f"?{i}": value for i, value in enumerate(values, start=1)}
        count = max(int(name[1:]) for name in used if name in statement)
        assert database.execute(statement, values[:count]).rowcount == 1
    found = cache.get(SPACE, list(entries))
    assert victim not in found
    assert_same(found, {key: entries[key] for key in found})
    assert sql(cache, "DELETE FROM vectors WHERE image = ?", bytes.fromhex(victim)) == 0
    assert len(found) == 5
    cache.put(SPACE, entries.items())
    assert_same(cache.get(SPACE, list(entries)), entries)
    assert capsys.readouterr().err == ""


def test_an_entry_moved_to_another_space_is_dropped(cache: EmbeddingCache) -> None:
    entries = vectors(3)
    cache.put(OTHER, entries.items())
    assert sql(cache, "UPDATE vectors SET space = ?", bytes.fromhex(SPACE)) == 3
    assert cache.get(SPACE, list(entries)) == {}
    assert sql(cache, "DELETE FROM vectors") == 0


def test_keys_of_another_type_do_no_harm(cache: EmbeddingCache) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())
    sql(cache, "UPDATE vectors SET image = 'text' WHERE image = ?", bytes.fromhex(min(entries)))
    found = cache.get(SPACE, list(entries))
    assert_same(found, {key: entries[key] for key in sorted(entries)[1:]})


def assert_heals(cache: EmbeddingCache) -> None:
    """Whatever is in the file: no exception, no wrong value, and usable after one more put."""
    entries = vectors(40)
    assert_same(found := cache.get(SPACE, list(entries)), {key: entries[key] for key in found})
    cache.put(SPACE, [item for item in entries.items() if item[0] not in found])
    found = cache.get(SPACE, list(entries))
    assert_same(found, {key: entries[key] for key in found})
    cache.put(SPACE, [item for item in entries.items() if item[0] not in found])
    assert_same(cache.get(SPACE, list(entries)), entries)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a sound cache of 40 vectors."""
    cache = EmbeddingCache(tmp_path_factory.mktemp("sound"))
    cache.put(SPACE, vectors(40).items())
    return cache.path.read_bytes()


@pytest.mark.parametrize(
    "length", [0, 1, 15, 16, 100, 4095, 4096, 4097, 6000, 8192, 10_000, -4096, -100, -1]
)
def test_a_truncated_file_is_rebuilt(cache: EmbeddingCache, database: bytes, length: int) -> None:
    assert len(database) > 12_000
    cache.path.write_bytes(database[:length])
    assert_heals(cache)


@pytest.mark.parametrize(
    "content",
    [b"", b"not a database\n" * 1000, b"SQLite format 3\0", bytes(8192), b"\xff" * 100],
    ids=["empty", "text", "header", "zeros", "ones"],
)
def test_a_file_of_something_else_is_rebuilt(cache: EmbeddingCache, content: bytes) -> None:
    cache.path.write_bytes(content)
    assert_heals(cache)


@pytest.mark.parametrize(
    "schema",
    [
        "CREATE TABLE vectors (key TEXT)",
        "CREATE TABLE vectors (space, image, shape, sha256)",
        "CREATE TABLE vectors (image, space, shape, sha256, data, hour)",
        "PRAGMA user_version = 3",
        "CREATE VIEW vectors AS SELECT 1 AS space, 2 AS image, 3 AS shape, 4 AS sha256, 5 AS data",
    ],
)
def test_a_table_of_another_version_is_rebuilt(
    cache: EmbeddingCache, schema: str, capsys: pytest.CaptureFixture[str]
) -> None:
    sql(cache, schema)
    assert_heals(cache)
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("offset", range(16, 100, 4))
def test_a_damaged_header_is_rebuilt(cache: EmbeddingCache, database: bytes, offset: int) -> None:
    damaged = bytearray(database)
    damaged[offset : offset + 4] = b"\x7f\xff\x00\x81"
    cache.path.write_bytes(damaged)
    assert_heals(cache)


def test_random_damage_never_gives_a_wrong_vector(cache: EmbeddingCache, database: bytes) -> None:
    entries, chance, intact = vectors(40), random.Random(0), 0
    for _ in range(60):
        damaged = bytearray(database)
        for _ in range(chance.choice([1, 3, 30])):
            damaged[chance.randrange(len(damaged))] ^= 1 << chance.randrange(8)
        for path in cache.path.parent.glob("*.sqlite*"):
            path.unlink()
        cache.path.write_bytes(damaged)
        for _ in range(2):
            found = cache.get(SPACE, list(entries))
            assert_same(found, {key: entries[key] for key in found})
            intact += len(found)
            cache.put(SPACE, entries.items())
    assert intact > 500


# Several users


WORKER = """
import hashlib, sys
from pathlib import Path
import numpy as np
from twofold.encoders.cache import EmbeddingCache

def digest(text):
    return hashlib.sha256(text.encode()).hexdigest()

cache, me = EmbeddingCache(Path(sys.argv[1])), sys.argv[2]
space = digest("space")
for i in range(40):
    key = digest(f"shared {i}" if i % 2 else f"{me} {i}")
    value = np.full(50, i, dtype=np.float32)
    cache.put(space, [(key, value)])
    found = cache.get(space, [key])
    assert np.array_equal(found[key], value), i
"""


def start_workers(
    cache: EmbeddingCache, program: str, names: tuple[str, ...]
) -> list[subprocess.Popen[bytes]]:
    command = [sys.executable, "-c", program, str(cache.path.parent)]
    return [
        subprocess.Popen([*command, name], stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        for name in names
    ]


def finish(workers: list[subprocess.Popen[bytes]]) -> list[bytes]:
    outputs = [worker.communicate(timeout=120)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0] * len(workers), outputs
    return outputs


def test_processes_share_a_cache_without_loss(cache: EmbeddingCache) -> None:
    assert finish(start_workers(cache, WORKER, ("one", "two", "three"))) == [b"", b"", b""]
    expected = {
        digest(f"shared {i}" if i % 2 else f"{name} {i}"): np.full(50, i, dtype=np.float32)
        for name in ("one", "two", "three")
        for i in range(40)
    }
    assert len(expected) == 80
    assert_same(cache.get(SPACE, list(expected)), expected)


def test_a_file_that_another_process_has_just_replaced_is_kept(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The other process finds the same damage and is done while this one waits for the lock."""
    theirs, ours = vectors(3, name="theirs"), vectors(3, name="ours")
    cache.path.write_bytes(b"rubbish" * 999)

    def late(*arguments: Any, **options: Any) -> Any:
        monkeypatch.setattr(cache_file, "FileLock", FileLock)
        EmbeddingCache(cache.path.parent).put(SPACE, theirs.items())
        return FileLock(*arguments, **options)

    monkeypatch.setattr(cache_file, "FileLock", late)
    cache.put(SPACE, ours.items())
    assert_same(cache.get(SPACE, [*theirs, *ours]), theirs | ours)


STARTED_AT_ONCE = """
import time
while not (Path(sys.argv[1]) / "go").exists():
    time.sleep(0.001)
for i in range(20):
    key = digest(f"{me} {i}")
    cache.put(space, [(key, np.full(50, i, dtype=np.float32))])
"""


def test_nothing_is_lost_when_many_find_the_damage_at_once(cache: EmbeddingCache) -> None:
    head = WORKER.partition("for i in range")[0]
    cache.path.write_bytes(b"rubbish" * 999)
    names = ("one", "two", "three", "four")
    workers = start_workers(cache, head + STARTED_AT_ONCE, names)
    (cache.path.parent / "go").touch()
    assert finish(workers) == [b""] * 4
    expected = {
        digest(f"{name} {i}"): np.full(50, i, dtype=np.float32) for name in names for i in range(20)
    }
    assert_same(cache.get(SPACE, list(expected)), expected)


READER_AND_WRITER = """
import time
shared = digest("shared")
folder = Path(sys.argv[1])
number = 0
while not (folder / "stop").exists():
    value = np.full(2000, number, dtype=np.float32)
    cache.put(space, [(digest(f"mine {number}"), value), (shared, value)])
    number += 1
    for found in cache.get(space, [shared, *(digest(f"mine {i}") for i in range(number))]).values():
        assert len(set(found.tolist())) == 1
    time.sleep(0.002)
cache.put(space, [(digest("last"), np.ones(9, dtype=np.float32))])
print(number)
"""


def test_clearing_while_another_process_reads_and_writes(cache: EmbeddingCache) -> None:
    head = WORKER.partition("for i in range")[0]
    workers = start_workers(cache, head + READER_AND_WRITER, ("one", "two"))
    after = vectors(5, name="after the clear")
    for _ in range(30):
        cache.clear()
        cache.put(SPACE, after.items())
        assert_same(cache.get(SPACE, list(after)), after)
        time.sleep(0.01)
    cache.clear()
    (cache.path.parent / "stop").touch()
    numbers = [int(output) for output in finish(workers)]
    assert min(numbers) > 3
    assert held(cache, {digest("last"): np.ones(9, dtype=np.float32)}, SPACE) == 1


def test_a_locked_database_is_skipped_and_kept(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())
    monkeypatch.setattr(cache_file, "_BUSY_SECONDS", 0.05)
    with closing(sqlite3.connect(cache.path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        cache.put(SPACE, vectors(2, name="late").items())
        assert "locked" in capsys.readouterr().err
        # Readers need no lock.
        assert_same(cache.get(SPACE, list(entries)), entries)
        other.execute("ROLLBACK")
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_a_full_disk_is_no_failure(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())

    def fail(*_: object) -> None:
        error = sqlite3.OperationalError("database or disk is full")
        error.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(cache_module, "_select", fail)
        assert cache.get(SPACE, list(entries)) == {}
    assert "embedding cache skipped: database or disk is full" in capsys.readouterr().err
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_a_vanished_folder_is_made_again(tmp_path: Path) -> None:
    cache, entries = EmbeddingCache(tmp_path / "gone"), vectors(2)
    cache.put(SPACE, entries.items())
    assert_same(cache.get(SPACE, list(entries)), entries)


def test_a_folder_that_cannot_be_made_is_no_failure(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    cache = EmbeddingCache(tmp_path / "file" / "gone")
    cache.put(SPACE, vectors(2).items())
    assert cache.get(SPACE, [digest("a")]) == {}
    cache.clear()
    assert cache.size() == 0
    assert capsys.readouterr().err.count("embedding cache skipped: ") == 2


# Where it is


def test_the_folder_follows_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "mine"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("TWOFOLD_CACHE")
    assert cache_folder() == tmp_path / "xdg" / "twofold"
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    assert cache_folder() == tmp_path / "home" / ".cache" / "twofold"


def test_it_can_be_switched_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    assert cache_folder() is None
    assert default_cache() is None


def test_the_default_cache_makes_its_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "deep" / "cache"
    monkeypatch.setenv("TWOFOLD_CACHE", str(folder))
    cache = default_cache()
    assert cache is not None
    assert cache.path.parent == folder
    assert list(folder.iterdir()) == []
    entries = vectors(2)
    cache.put(SPACE, entries.items())
    again = default_cache()
    assert again is not None
    assert_same(again.get(SPACE, list(entries)), entries)


def test_a_folder_that_cannot_be_made_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("", encoding="utf-8")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "file" / "cache"))
    with pytest.warns(RuntimeWarning, match="going on without it"):
        assert default_cache() is None


def test_a_folder_that_cannot_be_written_is_a_warning(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise sqlite3.OperationalError("unable to open database file")

    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path))
    monkeypatch.setattr(sqlite3, "connect", refuse)
    with pytest.warns(RuntimeWarning, match="unable to open") as caught:
        assert default_cache() is None
    assert str(tmp_path) in str(caught[0].message)
