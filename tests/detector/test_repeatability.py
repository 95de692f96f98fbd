"""`Detector`: random states, refits and other processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.detector.cases import QUICK, Make, same
from tests.support import toy

from twofold import Detector


@pytest.mark.slow
def test_random_states(make: Make, world: toy.World, monkeypatch: pytest.MonkeyPatch) -> None:
    def scores(state: int | None) -> tuple[NDArray[Any], Detector]:
        detector = make("paper", options=QUICK, random_state=state)
        detector.fit(world.source, world.pool)
        return detector.decision_function(world.test), detector

    zero, first = scores(0)
    assert first.random_state_ == 0
    assert same(zero, scores(0)[0])
    one, _ = scores(1)
    assert not np.array_equal(zero, one)
    drawn = iter([4, 5])
    monkeypatch.setattr("secrets.randbits", lambda bits: next(drawn))
    fresh, detector = scores(None)
    assert detector.random_state_ == 4
    assert detector.random_state is None
    assert same(fresh, scores(4)[0])
    detector.fit(world.source, world.pool)
    assert detector.random_state_ == 5


@pytest.mark.slow
def test_refit_is_a_fresh_fit(make: Make, world: toy.World) -> None:
    other = toy.make_world(1)
    detector = make("paper", options=QUICK).fit(other.source, other.pool)
    detector.fit(world.source, world.pool)
    fresh = make("paper", options=QUICK).fit(world.source, world.pool)
    assert same(detector.decision_function(world.test), fresh.decision_function(world.test))
    assert detector.threshold_ == fresh.threshold_
    assert detector.evidence_ == fresh.evidence_


SUBPROCESS = """
import hashlib, sys
from tests.support import toy
from twofold import Detector

toy.register()
world = toy.make_world(2)
for method in ("auto", "paper"):
    options = {"training": {"epochs": 2}} if method == "paper" else {}
    detector = Detector(method, toy.ENCODER, weights="random", random_state=3, options=options)
    detector.fit(world.source, world.pool)
    scores = detector.score(world.test)
    print(hashlib.sha256(scores.scores.tobytes()).hexdigest(), repr(detector.threshold_))
"""


def run(code: str, *arguments: str, **environment: str) -> str:
    root = str(Path(__file__).parents[2])
    done = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=200,
        env=os.environ | {"PYTHONPATH": root} | environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.slow
def test_two_processes_give_the_same_bits() -> None:
    outputs = [run(SUBPROCESS, PYTHONHASHSEED=seed) for seed in ("1", "2")]
    assert outputs[0] == outputs[1]
    assert len(outputs[0].split()) > 4
