"""What a worker does with a shard, in this process."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from pyarrow import parquet

from twofold import threads
from twofold.cluster import work
from twofold.cluster.sources import Paths, Shard
from twofold.cluster.work import Looked, ShardWorker
from twofold.errors import TwofoldError
from twofold.files import file_sha256
from twofold.images import ImageSet


@dataclass(frozen=True)
class Lengths:
    """A job: the length of each name; odd ones are problems."""

    fail: str = ""
    rows_missing: int = 0
    kind: str = "scores"

    def identity(self) -> Mapping[str, Any]:
        return {}

    def columns(self) -> Mapping[str, str]:
        return {}

    def open(self) -> Callable[[ImageSet], Looked]:
        if self.fail:
            raise TwofoldError(self.fail)

        def look(images: ImageSet) -> Looked:
            names = list(images.names)[self.rows_missing :]
            problems = ["odd" if len(name) % 2 else None for name in names]
            columns = {"image": names, "problem": pa.array(problems, pa.string())}
            return Looked(pa.table(columns), 1, ("a note",))

        return look


SHARD = Shard(3, 30, Paths(("a", "bb", "ccc", "dd", "eeeee", "f", "g")))


@pytest.fixture(autouse=True)
def _this_process(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(work, "use_cores", lambda n: None)


def worker(out: Path, job: Lengths, here: Path | None = None) -> ShardWorker:
    return ShardWorker(job, str(out), str(here or Path.cwd()), 1)


def test_a_shard_becomes_a_file_with_the_place_of_each_image(tmp_path: Path) -> None:
    row = worker(tmp_path, Lengths())({"shard": [SHARD]})
    assert row["error"] == [""]
    (done,) = row["done"]
    path = tmp_path / "part-000003.parquet"
    assert list(tmp_path.iterdir()) == [path]
    table = parquet.read_table(path)
    assert table["image"].to_pylist() == ["a", "bb", "ccc", "dd", "eeeee", "f", "g"]
    assert table["row"].to_pylist() == list(range(30, 37))
    assert set(table["shard"].to_pylist()) == {3}
    assert (done.part.shard, done.part.rows, done.part.unusable) == (3, 7, 5)
    assert (done.part.size, done.part.sha256) == (path.stat().st_size, file_sha256(path))
    assert done.notes == ("a note",)
    assert done.problems == ("a: odd", "ccc: odd", "eeeee: odd")


def test_a_shard_that_is_done_twice_is_the_same_file(tmp_path: Path) -> None:
    one = worker(tmp_path, Lengths())
    one({"shard": [SHARD]})
    first = (tmp_path / "part-000003.parquet").read_bytes()
    one({"shard": [SHARD]})
    worker(tmp_path, Lengths())({"shard": [SHARD]})
    assert (tmp_path / "part-000003.parquet").read_bytes() == first
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("job", "reason"),
    [(Lengths("no weights"), "no weights"), (Lengths(rows_missing=1), "6 rows for 7 images")],
)
def test_what_fails_comes_back_in_words_and_leaves_no_file(
    tmp_path: Path, job: Lengths, reason: str
) -> None:
    row = worker(tmp_path, job)({"shard": [SHARD]})
    assert row["done"] == [None]
    assert reason in row["error"][0]
    assert list(tmp_path.iterdir()) == []


def test_a_machine_that_does_not_see_the_folders_says_so(tmp_path: Path) -> None:
    row = worker(tmp_path / "gone", Lengths())({"shard": [SHARD]})
    assert "all machines must share --out" in row["error"][0]
    row = worker(tmp_path, Lengths(), tmp_path / "nowhere")({"shard": [SHARD]})
    assert "has no folder" in row["error"][0]


def test_a_shard_that_kills_its_worker_again_and_again_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tries = tmp_path / ".part-000003.parquet.tries"
    seen: list[int] = []
    real = ShardWorker._process

    def watched(self: ShardWorker, shard: Shard) -> work.Done:
        seen.append(tries.stat().st_size)
        return real(self, shard)

    monkeypatch.setattr(ShardWorker, "_process", watched)
    for left_by_killed in range(5):
        tries.write_bytes(b"." * left_by_killed)
        assert worker(tmp_path, Lengths())({"shard": [SHARD]})["error"] == [""]
        assert not tries.exists()
    assert seen == [1, 2, 3, 4, 5]
    tries.write_bytes(b"." * 5)
    row = worker(tmp_path, Lengths())({"shard": [SHARD]})
    assert "shard 3 (images 30 to 36) died 5 times" in row["error"][0]
    assert not tries.exists()
    assert worker(tmp_path, Lengths())({"shard": [SHARD]})["error"] == [""]


def test_a_share_of_the_machine_bounds_the_threads(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(threads, "_given", [])
    assert not threads.limited()
    everything = threads.cores()
    threads.use_cores(1)
    assert (threads.limited(), threads.cores()) == (True, 1)
    threads.use_cores(everything + 5)
    assert threads.cores() == everything
