"""Shards by the workers of a real, small cluster: kills, resuming, several machines."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import warnings
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from pyarrow import parquet
from tests.cluster.conftest import write_images

from twofold import Detector
from twofold.cluster import (
    MANIFEST,
    EmbedJob,
    ScoreJob,
    fill_cache,
    ray_session,
    run_on_ray,
    vector_moments,
)
from twofold.cluster.plan import LOG
from twofold.cluster.sources import find_sources
from twofold.densities import power_normalise
from twofold.errors import UsageError
from twofold.files import file_sha256

BENCHMARKS = Path(__file__).parents[2] / "benchmarks"
# What Ray leaves open when it ends its own processes, and says about its own settings.
pytestmark = [
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning:ray.*"),
    pytest.mark.filterwarnings("ignore::FutureWarning:ray.*"),
]


@pytest.fixture(scope="class")
def small_cluster(cache: Path) -> Iterator[None]:
    """Of this machine alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_CACHE", str(cache))  # for its workers
        with ray_session(cpus=2):
            yield


def local_rows(model: Path, images: object) -> list[dict[str, object]]:
    detector = Detector.load(model)
    detector.cached = False
    return detector.score(images).rows()  # type: ignore[arg-type]


def check_against(rows: list[dict[str, object]], out: Path) -> None:
    """Nothing is missing, twice, or different in any bit."""
    table = parquet.read_table(out).to_pylist()
    assert [row.pop("row") for row in table] == list(range(len(rows)))
    shards = [row.pop("shard") for row in table]
    assert shards == sorted(shards)
    assert table == rows
    manifest = json.loads((out / MANIFEST).read_text())
    assert manifest["complete"]
    assert manifest["images"]["n"] == len(rows)
    assert not [p for p in out.iterdir() if p.name.startswith(".")]
    for line in (out / LOG).read_text().splitlines():
        part = json.loads(line)
        assert file_sha256(out / f"part-{part['shard']:06}.parquet") == part["sha256"]


@pytest.mark.usefixtures("small_cluster")
class TestOnOneMachine:
    """Each run starts workers anew, which takes seconds: there are few."""

    def test_scores_are_those_of_one_process_though_two_workers_are_killed(
        self, model: Path, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        from ray_scale import WorkerKiller

        killer = WorkerKiller((0.1, 0.5))
        listed, out = tmp_path / "list.txt", tmp_path / "out"
        # Enough images that many are still to do when a worker is killed.
        listed.write_text("\n".join(str(path) for path in sorted(mixed.iterdir()) * 12))
        told: list[int] = []

        def progress(what: str, done: int, total: int) -> None:
            told.append(done)
            killer(what, done, total)

        job, sources = ScoreJob.of(str(model)), find_sources(listed)
        found = run_on_ray(job, sources, out, rows_a_shard=10, progress=progress)
        assert len(killer.killed) == 2
        assert (found.n_images, found.n_shards, found.n_unusable) == (276, 28, 24)
        assert len(found.problems) == 5
        assert (told[0], told[-1], sorted(told)) == (0, 276, told)
        rows = local_rows(model, listed)
        check_against(rows, out)
        # The same again has nothing to do, and another rate is another work.
        before = {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}
        assert run_on_ray(job, sources, out, rows_a_shard=10).n_resumed == 28
        assert {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")} == before
        with pytest.raises(UsageError, match="another false_alarm_rate"):
            run_on_ray(replace(job, false_alarm_rate=0.2), sources, out, rows_a_shard=10)
        with pytest.raises(UsageError, match="--worker-cpus 64"):
            run_on_ray(job, sources, tmp_path / "other", worker_cpus=64)

    def test_the_short_version_of_the_simulation(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.syspath_prepend(str(BENCHMARKS))
        import ray_scale
        from ray import cloudpickle

        cloudpickle.register_pickle_by_value(ray_scale)  # workers cannot import it
        found = ray_scale.schedule(20_000, 1000, tmp_path)
        assert (found["shards"], found["first_resumed"], found["again_resumed"]) == (20, 0, 20)
        assert found["each_row_once"]

    def test_vectors_and_their_moments(self, mixed: Path, tmp_path: Path) -> None:
        job, out = EmbedJob.of("efficientnet_lite0"), tmp_path / "out"
        found = run_on_ray(job, find_sources(mixed), out, rows_a_shard=6)
        assert (found.n_shards, found.n_unusable) == (4, 2)
        table = parquet.read_table(out)
        rows = np.array([v for v in table["vector"].to_pylist() if v is not None], np.float32)
        unit = power_normalise(rows)
        moments = vector_moments(out)
        assert moments.n == 21
        np.testing.assert_allclose(moments.mean, unit.mean(axis=0), rtol=1e-6)
        np.testing.assert_allclose(moments.squares, np.square(unit - unit.mean(axis=0)).sum())

    def test_a_fit_finds_what_workers_have_encoded_and_is_the_same(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        source = write_images(tmp_path / "source", 24, seed=1)
        target = write_images(tmp_path / "target", 24, tint=30, seed=2)
        made = []
        for name in ("local", "ray"):
            monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / f"cache-{name}"))
            detector = Detector(method="target_only")
            if name == "ray":
                assert fill_cache(detector, source, target) == 48
                assert fill_cache(detector, source, target) == 0
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", UserWarning)  # so few images
                detector.fit(source, target)
            made.append(detector)
        one, two = made
        assert one.threshold_ == two.threshold_
        for name, array in one.method_.state().items():
            np.testing.assert_array_equal(array, two.method_.state()[name])
        monkeypatch.setenv("TWOFOLD_CACHE", "off")
        with pytest.raises(UsageError, match="TWOFOLD_CACHE"):
            fill_cache(one, source, target)


DRIVER = """
import sys
from twofold.cluster import ScoreJob, ray_session, run_on_ray
from twofold.cluster.sources import find_sources
with ray_session(cpus=1):
    found = run_on_ray(
        ScoreJob.of(sys.argv[1]), find_sources(sys.argv[2]), sys.argv[3], rows_a_shard=4,
        progress=lambda what, done, total: print(done, flush=True),
    )
print("resumed", found.n_resumed)
"""


def test_a_driver_that_is_killed_goes_on_where_it_was(
    model: Path, mixed: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    command = [sys.executable, "-c", DRIVER, str(model), str(mixed), str(out)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as driver:
        assert driver.stdout is not None
        for line in driver.stdout:
            if line.strip().isdecimal() and int(line) >= 8:
                break
        os.kill(driver.pid, signal.SIGKILL)
    assert "complete" not in json.loads((out / MANIFEST).read_text())
    kept = len((out / LOG).read_text().splitlines())
    again = subprocess.run(command, capture_output=True, text=True, check=True)
    assert f"resumed {kept}" in again.stdout
    assert kept >= 2
    check_against(local_rows(model, mixed), out)


def test_two_machines_of_which_one_is_lost(
    model: Path, mixed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    from ray.cluster_utils import Cluster

    few = {"num_cpus": 1, "object_store_memory": 100 * 2**20, "include_dashboard": False}
    cluster = Cluster(initialize_head=True, head_node_args=few)
    listed = tmp_path / "list.txt"
    listed.write_text("\n".join(str(p) for p in sorted(mixed.iterdir())))
    lost: list[threading.Thread] = []
    try:
        second = cluster.add_node(num_cpus=1, object_store_memory=100 * 2**20)

        def lose(what: str, done: int, total: int) -> None:
            if done >= 5 and not lost:
                lost.append(threading.Thread(target=cluster.remove_node, args=(second, False)))
                lost[0].start()

        with ray_session(cluster.address):
            job, out = ScoreJob.of(str(model)), tmp_path / "out"
            run_on_ray(job, find_sources(listed), out, rows_a_shard=1, progress=lose)
    finally:
        for thread in lost:
            thread.join()
        cluster.shutdown()
    assert lost
    check_against(local_rows(model, listed), out)
