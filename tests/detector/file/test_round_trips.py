"""Saved detectors: what was saved comes back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.detector.file.cases import Make, document, load, same
from tests.support import toy
from tests.support.each_method import each_method

from twofold import Detector
from twofold.errors import BundleError, NotFittedError
from twofold.evidence import ADAPT, Findings
from twofold.images import Problem


def test_any_number_of_skipped_images_fits_into_a_model(model: Path, tmp_path: Path) -> None:
    detector = load(model, weights="random")
    worst = tuple(Problem(f"{i} " + "\x01" * 4000, "\x02" * 4000) for i in range(100_000))
    detector.evidence_ = replace(detector.evidence_, problems=worst)
    detector.save(tmp_path / "m")
    evidence = load(tmp_path / "m", weights="random").evidence_
    assert [problem.path[:4] for problem in evidence.problems] == [
        problem.path[:4] for problem in worst[:1000]
    ]
    assert all(len(problem.path) == len(problem.reason) == 500 for problem in evidence.problems)
    assert evidence.notes[-1] == "99000 more images could not be used than the 1000 listed"
    few = (Problem("a.png", "empty file"),)
    detector.evidence_ = replace(detector.evidence_, problems=few)
    detector.save(tmp_path / "m")
    assert load(tmp_path / "m", weights="random").evidence_ == detector.evidence_


@pytest.mark.slow
@each_method
def test_every_method_comes_back(
    fit_of: Callable[[str], Any], world: toy.World, name: str, tmp_path: Path
) -> None:
    detector = fit_of(name).detector
    detector.save(tmp_path / "m")
    loaded = load(tmp_path / "m", weights="random")
    one, two = detector.score(world.test), loaded.score(world.test)
    assert same(one.scores, two.scores)
    assert same(one.percentiles, two.percentiles)
    assert same(one.anomalous, two.anomalous)
    assert loaded.threshold_ == detector.threshold_
    assert loaded.evidence_ == detector.evidence_
    assert isinstance(loaded.evidence_.findings, Findings)
    assert loaded.evidence_.verdict == ADAPT
    assert asdict(loaded.threshold_) == asdict(detector.threshold_)
    assert same(loaded.calibration_.weights, detector.calibration_.weights)
    assert same(one.p_values, two.p_values)
    states = (detector.random_state_, detector.random_state)
    assert (loaded.random_state_, loaded.random_state) == states
    assert (loaded.method, loaded.encoder, loaded.false_alarm_rate) == (name, toy.ENCODER, 0.1)
    assert loaded.method_.config == detector.method_.config
    loaded.save(tmp_path / "again")
    for file in ("detector.json", "tensors.safetensors"):
        assert (tmp_path / "again" / file).read_bytes() == (tmp_path / "m" / file).read_bytes()


@pytest.mark.slow
def test_the_random_state_comes_back(make: Make, world: toy.World, tmp_path: Path) -> None:
    make("target_only", random_state=9).fit(world.source, world.pool).save(tmp_path / "m")
    loaded = load(tmp_path / "m", weights="random")
    assert (loaded.random_state_, loaded.random_state) == (9, 9)


@pytest.mark.slow
def test_a_loaded_detector_can_be_fitted_again(model: Path, world: toy.World) -> None:
    other = toy.make_world(1)
    detector = load(model, weights="random")
    detector.fit(other.source, other.pool)
    fresh = Detector("auto", toy.ENCODER, weights="random", engine="torch")
    fresh.fit(other.source, other.pool)
    assert same(detector.decision_function(world.test), fresh.decision_function(world.test))


@pytest.mark.slow
@pytest.mark.parametrize("locality", ["global", "local", "both"])
def test_what_it_looks_at_comes_back(
    make: Make, world: toy.World, locality: str, tmp_path: Path
) -> None:
    detector = make(locality=locality).fit(world.source, world.pool)
    detector.save(tmp_path / "m")
    loaded = load(tmp_path / "m", weights="random")
    assert loaded.method_.config == detector.method_.config
    assert loaded.evidence_.choices == detector.evidence_.choices
    assert same(loaded.decision_function(world.test), detector.decision_function(world.test))
    if locality != "global":
        maps = (np.stack(list(one.anomaly_map(world.test))) for one in (loaded, detector))
        assert same(*maps)
        assert loaded.method_.map_range() == detector.method_.map_range()
    again = loaded.fit(world.source, world.pool)
    assert same(again.decision_function(world.test), detector.decision_function(world.test))


def test_a_verdict_against_and_too_few_images_come_back(
    make: Make, world: toy.World, tmp_path: Path
) -> None:
    with pytest.warns(UserWarning, match="do not trust: too few target images"):
        detector = make(false_alarm_rate=0.2).fit(world.source, world.pool[:9])
    assert detector.evidence_.findings is None
    detector.save(tmp_path / "m")
    loaded = load(tmp_path / "m", weights="random")
    assert loaded.evidence_ == detector.evidence_
    assert loaded.evidence_.verdict == "do not trust: too few target images"


@pytest.mark.slow
def test_problems_and_copies_come_back(make: Make, world: toy.World, tmp_path: Path) -> None:
    pool = np.concatenate([world.pool, world.source[:2]])
    with pytest.warns(UserWarning, match="also in the source"):
        detector = make().fit(world.source, pool)
    detector.save(tmp_path / "m")
    assert load(tmp_path / "m", weights="random").evidence_ == detector.evidence_


def test_nothing_to_save(make: Make, tmp_path: Path) -> None:
    with pytest.raises(NotFittedError):
        make().save(tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_saving_over_a_model_and_not_over_anything_else(model: Path, fitted: Detector) -> None:
    before = document(model)
    fitted.save(model)
    assert document(model) == before
    stranger = model.parent / "stranger"
    stranger.mkdir()
    (stranger / "thesis.txt").write_text("x")
    with pytest.raises(BundleError):
        fitted.save(stranger)
    assert (stranger / "thesis.txt").read_text() == "x"
