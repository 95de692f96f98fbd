"""What the driver makes of what workers tell, without a cluster."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from pyarrow import parquet
from tests.cluster.test_work import Lengths

from twofold import Detector
from twofold.cluster import MANIFEST, ScoreJob, running, work
from twofold.cluster.plan import LOG
from twofold.cluster.running import run_on_ray
from twofold.cluster.sources import Paths, find_sources
from twofold.errors import BundleError, ConfigError, TwofoldError

PATHS = Paths(tuple("x" * (1 + i % 4) for i in range(25)))
Run = Callable[..., Iterator[dict[str, Any]]]


@pytest.fixture(autouse=True)
def waves(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Workers in this process, the last task first; how many tasks each wave had."""
    seen: list[int] = []

    def run(
        rows: Sequence[dict[str, Any]], worker: Any, arguments: Any, *, cpus: int, workers: int
    ) -> Iterator[dict[str, Any]]:
        assert cpus == 1
        assert workers <= 2
        seen.append(len(rows))
        one = worker(*arguments)
        for row in reversed(rows):
            found = one({name: [value] for name, value in row.items()})
            yield {name: value for name, (value,) in found.items()}

    monkeypatch.setattr(running, "on_actors", run)
    monkeypatch.setattr(running, "workers_that_fit", lambda cpus: 2)
    monkeypatch.setattr(running, "_WAVE", 3)
    monkeypatch.setattr(work, "use_cores", lambda n: None)
    return seen


def test_shards_go_out_in_waves_and_come_back_in_any_order(
    tmp_path: Path, waves: list[int]
) -> None:
    found = run_on_ray(Lengths(), [PATHS], tmp_path, rows_a_shard=4)
    assert waves == [3, 3, 1]
    assert (found.n_shards, found.n_resumed, found.n_anomalous) == (7, 0, 7)
    assert found.notes == ("a note",)
    assert (found.n_unusable, len(found.problems)) == (13, 5)
    table = parquet.read_table(tmp_path)
    assert table["row"].to_pylist() == list(range(25))
    assert tuple(table["image"].to_pylist()) == PATHS.paths


def test_what_is_missing_is_done_and_nothing_else(tmp_path: Path, waves: list[int]) -> None:
    run_on_ray(Lengths(), [PATHS], tmp_path, rows_a_shard=4)
    (tmp_path / "part-000002.parquet").unlink()
    log = tmp_path / LOG
    lines = [line for line in log.read_bytes().splitlines(True) if b'"shard":5,' not in line]
    log.write_bytes(b"".join(lines))
    waves.clear()
    found = run_on_ray(Lengths(), [PATHS], tmp_path, rows_a_shard=4)
    assert waves == [2]
    assert found.n_resumed == 5
    assert parquet.read_table(tmp_path)["row"].to_pylist() == list(range(25))


def test_an_error_ends_the_run_and_keeps_what_is_done(tmp_path: Path) -> None:
    with pytest.raises(TwofoldError, match="no weights"):
        run_on_ray(Lengths("no weights"), [PATHS], tmp_path, rows_a_shard=4)
    assert "complete" not in json.loads((tmp_path / MANIFEST).read_text())
    # The lock is let go.
    assert run_on_ray(Lengths(), [PATHS], tmp_path, rows_a_shard=4).n_shards == 7


@pytest.mark.parametrize(
    "wrong", [{"rows_a_shard": 0}, {"worker_cpus": 0}, {"workers": 0}], ids=str
)
def test_impossible_numbers(tmp_path: Path, wrong: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match="from 1"):
        run_on_ray(Lengths(), [PATHS], tmp_path / "out", **wrong)
    assert not (tmp_path / "out").exists()


@pytest.mark.slow
def test_scores_of_images_in_shards(model: Path, mixed: Path, tmp_path: Path) -> None:
    """The job itself, in this process; `test_running.py` has it in others."""
    job = ScoreJob.of(str(model))
    run_on_ray(job, find_sources(mixed), tmp_path / "out", rows_a_shard=7)
    detector = Detector.load(model)
    rows = parquet.read_table(tmp_path / "out").drop_columns(["row", "shard"]).to_pylist()
    assert rows == detector.score(str(mixed)).rows()
    bad = [str(mixed / "005x.png"), str(mixed / "011x.png")]
    assert run_on_ray(job, find_sources(bad), tmp_path / "bad").n_unusable == 2
    strict = ScoreJob.of(str(model), strict=True)
    with pytest.raises(TwofoldError, match="empty file"):
        run_on_ray(strict, find_sources(mixed), tmp_path / "strict")
    other = shutil.copytree(model, tmp_path / "model")
    moved = ScoreJob.of(str(other))
    (other / "detector.json").write_text("{}")
    with pytest.raises(BundleError, match="has been replaced"):
        moved.open()
    with pytest.raises(BundleError):
        ScoreJob.of(str(tmp_path / "gone"))


@pytest.mark.slow
def test_a_mask_is_part_of_the_work(model: Path, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (48, 48), 255).save(tmp_path / "mask.png")
    plain, masked = ScoreJob.of(str(model)), ScoreJob.of(str(model), mask=str(tmp_path))
    one = ScoreJob.of(str(model), mask=str(tmp_path / "mask.png"))
    assert len({str(job.identity()) for job in (plain, masked, one)}) == 3
    before = masked.identity()
    Image.new("L", (48, 48), 0).save(tmp_path / "mask.png")
    assert ScoreJob.of(str(model), mask=str(tmp_path)).identity() != before
