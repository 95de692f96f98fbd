"""Saved detectors: the same bits, on any machine, and nothing but what was saved."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray
from tests.support import toy
from tests.support.each_method import each_method

from twofold import Detector
from twofold.encoders.encoder import load_encoder
from twofold.errors import BundleError, NotFittedError, WeightsError
from twofold.evidence import ADAPT, Findings
from twofold.images import Problem
from twofold.method_table import METHODS

Make = Callable[..., Detector]
QUICK = {"training": {"epochs": 2}}


def same(one: NDArray[Any], other: NDArray[Any]) -> bool:
    return (
        one.dtype == other.dtype and one.shape == other.shape and one.tobytes() == other.tobytes()
    )


def document(path: Path) -> dict[str, Any]:
    loaded: dict[str, Any] = json.loads((path / "detector.json").read_text("utf-8"))
    return loaded


def forge(path: Path, **changes: Any) -> None:
    """Change ``detector.json`` and make its checksum match, as an attacker would."""
    content = document(path) | changes
    content.pop("checksum")
    canonical = json.dumps(content, sort_keys=True, separators=(",", ":"))
    content["checksum"] = hashlib.sha256(canonical.encode()).hexdigest()
    text = json.dumps(content, indent=2, ensure_ascii=False) + "\n"
    (path / "detector.json").write_text(text, "utf-8")


def forge_tensors(path: Path, change: Callable[[dict[str, NDArray[Any]]], None]) -> None:
    """Change the tensors and make every size and hash match."""
    file = path / "tensors.safetensors"
    tensors = safetensors.numpy.load(file.read_bytes())
    change(tensors)
    raw = safetensors.numpy.save(tensors)
    file.write_bytes(raw)
    listed = {
        name: {"dtype": str(array.dtype), "shape": list(array.shape)}
        for name, array in tensors.items()
    }
    before = document(path)
    example = next(iter(before["tensors"].values()))
    assert set(example) == set(next(iter(listed.values()))), example
    files = before["files"] | {
        file.name: {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    }
    forge(path, files=files, tensors=listed)


def refused(path: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        Detector.load(path, weights="random")
    assert len(str(caught.value).splitlines()) == 1


@pytest.fixture
def model(fitted: Detector, tmp_path: Path) -> Path:
    path = tmp_path / "model"
    fitted.save(path)
    return path


def load(path: Path, **options: Any) -> Detector:
    detector = Detector.load(path, **options)
    # The toy's own engine, which gives the bits of the fixture.
    detector.engine = "torch"
    return detector


# --- round trips ---------------------------------------------------------------------------------


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


def test_the_random_state_comes_back(make: Make, world: toy.World, tmp_path: Path) -> None:
    make("target_only", random_state=9).fit(world.source, world.pool).save(tmp_path / "m")
    loaded = load(tmp_path / "m", weights="random")
    assert (loaded.random_state_, loaded.random_state) == (9, 9)


def test_a_loaded_detector_can_be_fitted_again(model: Path, world: toy.World) -> None:
    other = toy.make_world(1)
    detector = load(model, weights="random")
    detector.fit(other.source, other.pool)
    fresh = Detector("auto", toy.ENCODER, weights="random", engine="torch")
    fresh.fit(other.source, other.pool)
    assert same(detector.decision_function(world.test), fresh.decision_function(world.test))


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


# --- weights -------------------------------------------------------------------------------------


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "toy.safetensors"
    path.parent.mkdir()
    state = toy.encoder().state()
    path.write_bytes(safetensors.numpy.save({k: v.numpy() for k, v in state.items()}))
    return path


def test_weights_from_a_file(
    make: Make, fitted: Detector, world: toy.World, weights: Path, tmp_path: Path
) -> None:
    expected = fitted.decision_function(world.test)
    detector = make(weights=weights).fit(world.source, world.pool)
    assert same(detector.decision_function(world.test), expected)
    detector.save(tmp_path / "m")
    detector.save(tmp_path / "whole", embed_weights=True)
    assert same(load(tmp_path / "m", weights=weights).decision_function(world.test), expected)
    weights.unlink()
    with pytest.raises(WeightsError):
        Detector.load(tmp_path / "m", weights=weights)
    with pytest.raises(WeightsError):
        Detector.load(tmp_path / "m")
    assert same(load(tmp_path / "whole").decision_function(world.test), expected)


def test_other_weights_are_refused(model: Path, weights: Path) -> None:
    tensors = safetensors.numpy.load(weights.read_bytes())
    name = next(name for name in tensors if name.endswith("weight"))
    tensors[name].flat[0] += 1
    weights.write_bytes(safetensors.numpy.save(tensors))
    with pytest.raises(WeightsError, match="are not those the model was fitted with"):
        Detector.load(model, weights=weights)


def test_embedded_weights_that_were_exchanged(fitted: Detector, tmp_path: Path) -> None:
    path = tmp_path / "m"
    fitted.save(path, embed_weights=True)
    file = path / "encoder.safetensors"
    tensors = safetensors.numpy.load(file.read_bytes())
    name = next(name for name in tensors if name.endswith("weight"))
    tensors[name].flat[0] += 1
    raw = safetensors.numpy.save(tensors)
    file.write_bytes(raw)
    listed = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    forge(path, files=document(path)["files"] | {file.name: listed})
    with pytest.raises(WeightsError, match="are not those"):
        Detector.load(path)
    del tensors[name]
    raw = safetensors.numpy.save(tensors)
    file.write_bytes(raw)
    listed = {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    forge(path, files=document(path)["files"] | {file.name: listed})
    with pytest.raises((WeightsError, BundleError)):
        Detector.load(path)


def test_a_flag_for_weights_that_are_not_there(model: Path) -> None:
    encoder = document(model)["encoder"]
    forge(model, encoder=encoder | {"embedded": True})
    with pytest.raises(BundleError):
        Detector.load(model)


def test_the_encoder_is_the_loaded_one(fitted: Detector) -> None:
    again = load_encoder(toy.ENCODER, "random")
    assert fitted.method_.encoder.fingerprint == again.fingerprint
    for name, value in again.state().items():
        assert torch.equal(value, fitted.method_.encoder.state()[name])


SUBPROCESS = """
import hashlib, sys
from tests.support import toy
from twofold import Detector

toy.register()
detector = Detector.load(sys.argv[1])
scores = detector.score(sys.argv[2])
print(hashlib.sha256(scores.scores.tobytes() + scores.anomalous.tobytes()).hexdigest())
"""


@pytest.mark.slow
def test_another_process_without_the_training_data(
    world: toy.World,
    tmp_path: Path,
    write: Callable[[Path, NDArray[Any]], list[Path]],
    make: Make,
) -> None:
    write(tmp_path / "source", world.source)
    write(tmp_path / "pool", world.pool)
    write(tmp_path / "test", world.test)
    detector = make("paper", engine="auto", options=QUICK)
    detector.fit(tmp_path / "source", tmp_path / "pool")
    scores = detector.score(tmp_path / "test")
    detector.save(tmp_path / "m", embed_weights=True)
    for folder in ("source", "pool"):
        (tmp_path / folder).rename(tmp_path / f"gone-{folder}")
    done = subprocess.run(
        [sys.executable, "-c", SUBPROCESS, str(tmp_path / "m"), str(tmp_path / "test")],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    expected = hashlib.sha256(scores.scores.tobytes() + scores.anomalous.tobytes()).hexdigest()
    assert done.stdout.strip() == expected


# --- tampering behind matching checksums ---------------------------------------------------------


def test_an_untouched_forgery_loads(model: Path) -> None:
    forge(model)
    forge_tensors(model, lambda tensors: None)
    Detector.load(model, weights="random")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"method": "no_such_method"}, "no_such_method.*unknown here"),
        ({"method": 3}, "method"),
        ({"method": None}, "method"),
        ({"configuration": {"trim": "half"}}, "option trim"),
        ({"configuration": {"trim": 0.9}}, "option trim"),
        ({"configuration": {"speed": 1}}, "option speed"),
        ({"configuration": [1]}, "configuration"),
        ({"threshold": None}, "threshold"),
        ({"evidence": {}}, "n_source"),
        ({"evidence": {"n_source": "many"}}, "n_source"),
        ({"evidence": [1]}, "evidence"),
        ({"random_state": "x"}, "random_state"),
        ({"random_state": True}, "random_state"),
        ({"versions": {"torch": 2}}, "versions"),
        ({"surprise": 1}, "surprise"),
        ({"encoder": "toy"}, "encoder"),
    ],
)
def test_a_changed_header(model: Path, changes: dict[str, Any], match: str) -> None:
    forge(model, **changes)
    refused(model, match)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", None),
        ("value", "1.0"),
        ("false_alarm_rate", 0.0),
        ("false_alarm_rate", 1.0),
        ("origin", "moon"),
        ("requested_rate", 0.0),
        ("requested_rate", "0.1"),
        ("interval", None),
        ("interval", [0.1]),
        ("interval", [0.0, 1.5]),
        ("interval", [0.0, "0.1"]),
        ("rule", "guess"),
        ("scale", "cubic"),
        ("n_images", 0),
        ("n_images", 1.5),
        ("n_groups", 0),
        ("n_kept", 0),
    ],
)
def test_a_changed_threshold(model: Path, field: str, value: Any) -> None:
    forge(model, threshold=document(model)["threshold"] | {field: value})
    refused(model, f"threshold.{field}")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number(model: Path, value: float) -> None:
    forge(model, threshold=document(model)["threshold"] | {"value": value})
    refused(model, "not a finite number")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_source", None),
        ("n_target", 1.5),
        ("n_copies_across", "3"),
        ("n_groups", "x"),
        ("problems", [{"path": "x"}]),
        ("problems", 3),
        ("notes", [1]),
        ("threshold_origin", 7),
        ("contamination", [0.0, 0.1]),
        ("contamination", [0.0, "0.1", 0.2]),
        ("verdict", None),
        ("reasons", "because"),
        ("reasons", [1]),
        ("findings", {"shift_auroc": 0.5}),
        ("findings", 0.5),
        ("choices", {"local_weight": "half"}),
        ("choices", [0.5]),
    ],
)
def test_changed_evidence(model: Path, field: str, value: Any) -> None:
    forge(model, evidence=document(model)["evidence"] | {field: value})
    refused(model, field)


def test_an_unknown_encoder_or_another_preprocessing(model: Path) -> None:
    encoder = document(model)["encoder"]
    forge(model, encoder=encoder | {"fingerprint": "0" * 64})
    refused(model, "another preprocessing")
    forge(model, encoder=encoder | {"id": "no_such_encoder"})
    refused(model, "no_such_encoder")
    forge(model, encoder=encoder | {"weights_sha256": "x"})
    refused(model, "weights_sha256")


@pytest.mark.parametrize("other", [name for name in METHODS.ids() if name != "auto"])
def test_tensors_of_another_method(model: Path, other: str) -> None:
    forge(model, method=other, configuration={})
    refused(model, f"do not fit method {other}")


def test_tensors_of_a_trained_method_under_a_simpler_name(
    make: Make, world: toy.World, tmp_path: Path
) -> None:
    path = tmp_path / "m"
    make("paper", options=QUICK).fit(world.source, world.pool).save(path)
    forge(path, method="frozen_source", configuration={})
    refused(path, "do not fit method frozen_source")


def _halve(tensors: dict[str, NDArray[Any]]) -> None:
    tensors["method.whole.mean"] = tensors["method.whole.mean"][:16]
    tensors["method.whole.basis"] = np.ascontiguousarray(tensors["method.whole.basis"][:, :16])


def _set(name: str, value: NDArray[Any]) -> Callable[[dict[str, NDArray[Any]]], None]:
    def change(tensors: dict[str, NDArray[Any]]) -> None:
        tensors[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_halve, "expected 32 dimensions"),
        (_set("method.whole.mean", np.zeros((1, toy.DIM))), "do not fit"),
        (_set("method.whole.scalars", np.zeros(3)), "do not fit"),
        (_set("method.whole.scale", np.array([0.0, 0.0])), "do not fit"),
        (_set("method.local.scale", np.array([0.0, np.inf])), "not finite"),
        (_set("method.local.maps", np.array([0.0, 1.0, 3.0, 2.0, 0.0])), "do not fit"),
        (_set("method.local.choices", np.zeros(2)), "do not fit"),
        (_set("method.weight", np.array([1.5])), "do not fit"),
        (_set("method.extra", np.zeros(3)), "do not fit"),
        (lambda tensors: tensors.pop("method.whole.mean"), "do not fit"),
        (lambda tensors: tensors.pop("method.local.maps"), "do not fit"),
        (lambda tensors: tensors.pop("calibration.scores"), "no calibration scores"),
        (lambda tensors: tensors.pop("calibration.weights"), "no calibration scores"),
        (_set("calibration.scores", np.zeros(0)), "no calibration scores"),
        (_set("calibration.scores", np.zeros((3, 2))), "no calibration scores"),
        (_set("calibration.scores", np.zeros(80, np.float32)), "no calibration scores"),
        (_set("calibration.scores", np.zeros(79)), "no calibration scores"),
        (_set("calibration.scores", np.arange(80.0)[::-1].copy()), "not sorted"),
        (_set("calibration.scores", np.full(80, np.nan)), "not finite"),
        (_set("calibration.scores", np.append(np.zeros(79), np.inf)), "not finite"),
        (_set("calibration.weights", np.ones((80, 1))), "no calibration scores"),
        (_set("calibration.weights", np.ones(80, np.int64)), "no calibration scores"),
        (_set("calibration.weights", np.zeros(80)), "not between 0 and 1"),
        (_set("calibration.weights", np.full(80, -1.0)), "not between 0 and 1"),
        (_set("calibration.weights", np.full(80, 1.01)), "not between 0 and 1"),
        (_set("calibration.weights", np.full(80, np.nan)), "not finite"),
        (_set("calibration.weights", np.full(80, 0.5)), "weights of 40 images"),
    ],
)
def test_changed_tensors(
    model: Path, change: Callable[[dict[str, NDArray[Any]]], None], match: str
) -> None:
    forge_tensors(model, change)
    refused(model, match)
