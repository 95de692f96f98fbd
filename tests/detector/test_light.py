"""Scoring with a saved model needs none of the libraries that training and fitting need."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.support import toy

from twofold import Detector

HEAVY = {"torch", "torchvision", "timm", "sklearn", "lightning_fabric", "pandas", "open_clip"}
SLOW = {"scipy.stats", "huggingface_hub"}
LOOK = "sorted((HEAVY | SLOW) & set(sys.modules))".replace("HEAVY | SLOW", repr(HEAVY | SLOW))


def said_by(code: str, *arguments: str, **environment: str) -> Any:
    found = subprocess.run(
        [sys.executable, "-c", code, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | environment,
    )
    assert found.returncode == 0, found.stderr
    return json.loads(found.stdout)


@pytest.mark.slow
@pytest.mark.parametrize(
    "module",
    [
        "twofold.detector",
        "twofold.methods.auto.method",
        "twofold.methods.target_only",
        "twofold.methods.frozen_source",
        "twofold.methods.patch_methods.padim",
        "twofold.methods.patch_methods.patchcore",
        "twofold.detector.file",
        "twofold.encoders.efficientnet_lite",
        "twofold.encoders.hub",
    ],
)
def test_importing_it_imports_none_of_them(module: str) -> None:
    assert said_by(f"import json, sys, {module}; print(json.dumps({LOOK}))") == []


SCORE = f"""
import json, sys
from twofold import Detector
detector = Detector.load(sys.argv[1])
found = detector.score(sys.argv[2])
boxes = [len(one.regions) for one in detector.regions(sys.argv[2])]
print(json.dumps({{"scores": found.scores.tolist(), "boxes": boxes, "heavy": {LOOK}}}))
"""


@pytest.fixture(scope="module")
def world() -> toy.World:
    return toy.make_world(n_source=16, n_pool=24, n_test=6)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:the threshold rests on source images")
@pytest.mark.parametrize(
    ("method", "embedded"),
    [
        pytest.param("auto", False),
        pytest.param("auto", True, marks=pytest.mark.slow),
        pytest.param("target_only", False, marks=pytest.mark.slow),
        pytest.param("frozen_source", False, marks=pytest.mark.slow),
        pytest.param("padim", False, marks=pytest.mark.slow),
        pytest.param("patchcore", False, marks=pytest.mark.slow),
    ],
)
def test_a_saved_model_scores_without_them(
    world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str, embedded: bool
) -> None:
    cache = tmp_path / "cache"
    monkeypatch.setenv("TWOFOLD_CACHE", str(cache))
    fitted = Detector(method, false_alarm_rate=0.1).fit(world.source, world.pool)
    fitted.save(tmp_path / "m.twofold", embed_weights=embedded)
    folder = tmp_path / "new"
    folder.mkdir()
    for row, pixels in enumerate(world.test):  # of a size that has to be resized
        Image.fromarray(pixels).resize((150, 130)).save(folder / f"{row}.png")
    with_maps = fitted.method_.config.has_maps()
    code = SCORE if with_maps else SCORE.replace("detector.regions(sys.argv[2])", "()")
    # The first process reads the weights and converts the network for the outputs of scoring.
    said_by(code, str(tmp_path / "m.twofold"), str(folder))
    for file in cache.glob("embeddings*"):
        file.unlink()
    found = said_by(code, str(tmp_path / "m.twofold"), str(folder))
    assert found["heavy"] == []
    for file in cache.glob("embeddings*"):
        file.unlink()
    # In this process PyTorch resizes, in that one NumPy did.
    assert "torch" in sys.modules
    np.testing.assert_array_equal(found["scores"], fitted.score(folder).scores)


@pytest.mark.slow
def test_the_command_scores_without_them(
    world: toy.World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    fitted = Detector(false_alarm_rate=0.1).fit(world.source, world.pool)
    fitted.save(tmp_path / "m.twofold")
    Image.fromarray(world.test[0]).save(tmp_path / "one.png")
    fitted.decision_function(world.test[1:])
    code = f"""
import contextlib, io, json, sys
from twofold.cli import main
said = io.StringIO()
with contextlib.redirect_stdout(said), contextlib.suppress(SystemExit):
    sys.argv = ["twofold", "score", *sys.argv[1:], "--json"]
    main()
rows = json.loads(said.getvalue())["images"]
print(json.dumps([rows[0]["score"], {LOOK}]))
"""
    arguments = [str(tmp_path / "m.twofold"), str(tmp_path / "one.png")]
    said_by(code, *arguments)  # reads the weights and converts the network
    for file in (tmp_path / "cache").glob("embeddings*"):
        file.unlink()
    score, heavy = said_by(code, *arguments)
    assert heavy == []
    assert score == fitted.score(tmp_path / "one.png").scores[0]
