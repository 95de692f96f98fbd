"""The embedding cache: several processes, locked and full disks."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from typing import Any

import filelock
import numpy as np
import pytest
from filelock import FileLock
from tests.encoders.cache.cases import SPACE, assert_same, digest, held, vectors

from twofold.encoders import cache as cache_module
from twofold.encoders import cache_file
from twofold.encoders.cache import EmbeddingCache

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


@pytest.mark.slow
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
        monkeypatch.setattr(filelock, "FileLock", FileLock)
        EmbeddingCache(cache.path.parent).put(SPACE, theirs.items())
        return FileLock(*arguments, **options)

    monkeypatch.setattr(filelock, "FileLock", late)
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
    if number == 4:
        (folder / f"{me} is at it").touch()
    time.sleep(0.002)
cache.put(space, [(digest("last"), np.ones(9, dtype=np.float32))])
"""


def test_clearing_while_another_process_reads_and_writes(cache: EmbeddingCache) -> None:
    head = WORKER.partition("for i in range")[0]
    workers = start_workers(cache, head + READER_AND_WRITER, ("one", "two"))
    after = vectors(5, name="after the clear")
    at_it = [cache.path.parent / f"{name} is at it" for name in ("one", "two")]
    n, until = 0, time.monotonic() + 60  # on a busy machine the others take long to begin
    while n < 30 or not all(path.exists() for path in at_it):
        assert time.monotonic() < until
        n += 1
        cache.clear()
        cache.put(SPACE, after.items())
        assert_same(cache.get(SPACE, list(after)), after)
        time.sleep(0.01)
    cache.clear()
    (cache.path.parent / "stop").touch()
    assert finish(workers) == [b"", b""]
    assert held(cache, {digest("last"): np.ones(9, dtype=np.float32)}, SPACE) == 1


def test_a_locked_database_is_skipped_and_kept(
    cache: EmbeddingCache, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    entries = vectors(3)
    cache.put(SPACE, entries.items())
    monkeypatch.setattr(cache_file, "BUSY_SECONDS", 0.05)
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
