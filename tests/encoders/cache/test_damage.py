"""The embedding cache: entries and files that are damaged."""

from __future__ import annotations

import hashlib
import random
import sqlite3
from contextlib import closing

import numpy as np
import pytest
from tests.encoders.cache.cases import OTHER, SPACE, assert_same, vectors

from twofold.encoders.cache import EmbeddingCache


def sql(cache: EmbeddingCache, statement: str, *values: object) -> int:
    with closing(sqlite3.connect(cache.path)) as database, database:
        return database.execute(statement, values).rowcount


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


@pytest.mark.slow
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
