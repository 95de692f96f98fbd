"""Saved detectors: the encoder's weights, inside the model or beside it."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import safetensors.numpy
import torch
from numpy.typing import NDArray
from tests.detector.file.cases import QUICK, Make, document, forge, load, same
from tests.support import toy

from twofold import Detector
from twofold.encoders.encoder import load_encoder
from twofold.errors import BundleError, WeightsError


@pytest.fixture
def weights(tmp_path: Path) -> Path:
    path = tmp_path / "weights" / "toy.safetensors"
    path.parent.mkdir()
    state = toy.encoder().state()
    path.write_bytes(safetensors.numpy.save({k: v.numpy() for k, v in state.items()}))
    return path


@pytest.mark.slow
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
