"""Detectors in other processes and threads than those they were fitted or loaded in.

Every way of starting a process on Linux, from a fitted and from a loaded detector, each with the
default encoder and its engine: the parent's scores, to the bit, and within a time limit.
"""

from __future__ import annotations

import copy
import multiprocessing
import pickle
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import cloudpickle
import joblib
import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch.utils.data import DataLoader, Dataset

from twofold import Detector

Array = NDArray[np.float64]
LIMIT = 100.0  # seconds for a child, which may have to import everything anew
KINDS = ("fitted", "loaded")


@pytest.fixture(scope="module")
def world() -> toy.World:
    return toy.make_world(n_source=16, n_pool=24, n_test=4)


@pytest.fixture(scope="module")
def detectors(world: toy.World, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Detector]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("TWOFOLD_CACHE", str(tmp_path_factory.mktemp("cache")))
        fitted = Detector(false_alarm_rate=0.1).fit(world.source, world.pool)
        path = tmp_path_factory.mktemp("model") / "m.twofold"
        fitted.save(path)
        loaded = Detector.load(path)
        # Both have scored, so both have engines with threads.
        fitted.decision_function(world.test)
        loaded.decision_function(world.test)
    return {"fitted": fitted, "loaded": loaded}


@pytest.fixture(autouse=True)
def _without_a_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """Otherwise no child would have to encode anything."""
    monkeypatch.setenv("TWOFOLD_CACHE", "off")


def bits(detector: Detector, images: NDArray[np.uint8]) -> bytes:
    return detector.decision_function(images).tobytes()


def answer(detector: Detector, images: NDArray[np.uint8], connection: Connection) -> None:
    connection.send(bits(detector, images))
    maps = detector.anomaly_map(images)
    connection.send(np.asarray(maps).tobytes())
    sys.exit(0)  # as a program ends, destructors and all


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "start",
    ["fork", *(pytest.param(s, marks=pytest.mark.slow) for s in ("spawn", "forkserver"))],
)
def test_a_child_process_gives_the_parents_scores(
    detectors: dict[str, Detector], world: toy.World, start: str, kind: str
) -> None:
    detector = detectors[kind]
    context: Any = multiprocessing.get_context(start)
    here, there = context.Pipe(duplex=False)
    child = context.Process(target=answer, args=(detector, world.test, there))
    child.start()
    there.close()
    try:
        assert here.poll(LIMIT), f"a child by {start} never answers"
        assert here.recv() == bits(detector, world.test)
        assert here.poll(LIMIT)
        maps = np.frombuffer(here.recv(), dtype=np.float32)
        # Interpolation on another number of threads may round otherwise.
        np.testing.assert_allclose(
            maps, np.ravel(np.asarray(detector.anomaly_map(world.test))), atol=1e-5
        )
        child.join(LIMIT)
        assert child.exitcode == 0
    finally:
        child.kill()
        child.join()


class Scored(Dataset[Any]):
    """Images that are scored where they are loaded."""

    def __init__(self, detector: Detector, images: NDArray[np.uint8]) -> None:
        self.detector, self.images = detector, images

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, row: int) -> float:
        return float(self.detector.decision_function(self.images[row : row + 1])[0])


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_workers_of_a_data_loader(
    detectors: dict[str, Detector], world: toy.World, kind: str
) -> None:
    dataset = Scored(detectors[kind], world.test)
    loader = DataLoader(
        dataset, batch_size=2, num_workers=2, timeout=LIMIT, multiprocessing_context="fork"
    )
    found = torch.cat([batch.double() for batch in loader]).numpy()
    assert found.tobytes() == bits(detectors[kind], world.test)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_joblib(detectors: dict[str, Detector], world: toy.World, kind: str) -> None:
    parts = np.array_split(world.test, 2)
    for backend in ("loky", "multiprocessing", "threading"):
        work = joblib.Parallel(n_jobs=2, backend=backend, timeout=LIMIT)
        found = work(joblib.delayed(bits)(detectors[kind], part) for part in parts)
        assert b"".join(found) == bits(detectors[kind], world.test), backend


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_threads(detectors: dict[str, Detector], world: toy.World, kind: str) -> None:
    """Also on a detector whose engine is not compiled yet, and with maps beside scores."""
    detector = copy.deepcopy(detectors[kind])
    expected = bits(detectors[kind], world.test)
    maps = np.asarray(detectors[kind].anomaly_map(world.test))

    def work(row: int) -> bool:
        if row % 3 == 0:
            return np.array_equal(np.asarray(detector.anomaly_map(world.test)), maps)
        return bits(detector, world.test) == expected

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(5)))


def test_a_fork_of_a_fork(detectors: dict[str, Detector], world: toy.World) -> None:
    detector, context = detectors["loaded"], multiprocessing.get_context("fork")

    def child() -> None:
        assert bits(detector, world.test) == expected
        grandchild = context.Process(target=grand)
        grandchild.start()
        grandchild.join(LIMIT)
        assert grandchild.exitcode == 0

    def grand() -> None:
        assert bits(detector, world.test) == expected

    expected = bits(detector, world.test)
    process = context.Process(target=child)
    process.start()
    process.join(2 * LIMIT)
    assert process.exitcode == 0


# Each compiles an engine of its own, which takes seconds.
@pytest.mark.parametrize("kind", ["fitted", pytest.param("loaded", marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "again",
    [
        pytest.param(lambda detector: pickle.loads(pickle.dumps(detector)), id="pickle"),
        pytest.param(copy.deepcopy, id="deepcopy"),
        pytest.param(copy.copy, id="copy", marks=pytest.mark.slow),
        pytest.param(
            lambda detector: cloudpickle.loads(cloudpickle.dumps(detector)),
            id="cloudpickle",
            marks=pytest.mark.slow,
        ),
    ],
)
def test_copies_score_alike(
    detectors: dict[str, Detector],
    world: toy.World,
    kind: str,
    again: Callable[[Detector], Detector],
) -> None:
    copied = again(detectors[kind])
    assert copied is not detectors[kind]
    assert copied.get_params() == detectors[kind].get_params()
    assert copied.evidence_ == detectors[kind].evidence_
    assert copied.threshold_ == detectors[kind].threshold_
    assert bits(copied, world.test) == bits(detectors[kind], world.test)


def test_a_dumped_detector(
    detectors: dict[str, Detector], world: toy.World, tmp_path: Path
) -> None:
    joblib.dump(detectors["fitted"], tmp_path / "m.joblib")
    assert bits(joblib.load(tmp_path / "m.joblib"), world.test) == bits(
        detectors["fitted"], world.test
    )
