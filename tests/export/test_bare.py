"""An export where next to nothing is installed: its script, and the package that only scores."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
import venv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.export import GraphFormat, export_detector

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

SMALL = Path(__file__).parents[2] / "packaging" / "score"
HEAVY = ("torch", "torchvision", "timm", "scipy", "sklearn", "lightning_fabric", "huggingface_hub")


def environment(folder: Path, *what: str) -> Path:
    """A fresh virtual environment with these distributions; its interpreter."""
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")
    said = run(python, "-m", "pip", "install", "--quiet", *what)
    assert said.returncode == 0, said.stderr
    return python


def run(*command: object, **more: str) -> subprocess.CompletedProcess[str]:
    """Without this project on the path."""
    kept = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    words = [str(word) for word in command]
    return subprocess.run(words, capture_output=True, text=True, check=False, env=kept | more)


@pytest.fixture(scope="module")
def detector() -> Detector:
    """With the default encoder, which the package that only scores does not carry."""
    world = toy.make_world(n_source=20, n_pool=70, n_test=2)
    return Detector(false_alarm_rate=0.1, options={"effort": "fast"}).fit(world.source, world.pool)


@pytest.fixture(scope="module")
def images(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("images")
    for row, pixels in enumerate(toy.make_world(n_source=1, n_pool=1, n_test=6).test):
        Image.fromarray(pixels).resize((150, 130)).save(folder / f"{row}.png")
    return folder


@pytest.mark.parametrize(("kind", "runtime"), [("openvino", "openvino"), ("onnx", "onnxruntime")])
def test_the_script_needs_a_runtime_numpy_and_pillow(
    kind: GraphFormat, runtime: str, detector: Detector, images: Path, tmp_path: Path
) -> None:
    out = export_detector(detector, tmp_path / "out", format=kind).folder
    python = environment(tmp_path / "bare", "numpy", "pillow", runtime)
    look = f"from importlib.util import find_spec; print([n for n in {HEAVY} if find_spec(n)])"
    here = run(python, "-c", look)
    assert here.stdout.strip() == "[]"
    files = sorted(images.iterdir())
    said = run(python, out / "score.py", *files)
    assert said.returncode == 0, said.stderr
    rows = list(csv.DictReader(io.StringIO(said.stdout)))
    expected = detector.score(str(images))
    np.testing.assert_allclose([float(row["score"]) for row in rows], expected.scores, atol=1e-4)
    assert [int(row["anomalous"]) for row in rows] == expected.anomalous.tolist()


def test_the_package_that_only_scores(detector: Detector, images: Path, tmp_path: Path) -> None:
    out = export_detector(detector, tmp_path / "out").folder
    python = environment(tmp_path / "small", str(SMALL))
    cache = {"TWOFOLD_CACHE": str(tmp_path / "cache")}
    code = (
        "import json, sys; from twofold import Detector; d = Detector.load(sys.argv[1]);"
        "found = d.score(sys.argv[2]); maps = [m.values.max().item() for m in d.maps(sys.argv[2])];"
        f"print(json.dumps([found.scores.tolist(), maps, sorted(set({HEAVY}) & set(sys.modules))]))"
    )
    said = run(python, "-c", code, out, images, **cache)
    assert said.returncode == 0, said.stderr
    scores, maps, heavy = json.loads(said.stdout)
    assert heavy == []
    np.testing.assert_allclose(scores, detector.decision_function(str(images)), atol=1e-4)
    assert len(maps) == 6
    command = python.with_name("twofold")
    said = run(command, "score", out, images, "--json", **cache)
    assert said.returncode == 0, said.stderr
    assert [row["score"] for row in json.loads(said.stdout)["images"]] == scores
    for words, library in (
        (("score", out, images, "--regions", tmp_path / "boxes.csv"), "scipy"),
        (("report", out, images, "--out", tmp_path / "page.html"), "jinja2"),
    ):
        said = run(command, *words, **cache)
        assert (said.returncode, len(said.stderr.splitlines())) == (1, 1), said.stderr
        assert library in said.stderr
    said = run(command, "fit", "--source", images, "--target", images, "--out", tmp_path / "m")
    assert (said.returncode, len(said.stderr.splitlines())) == (1, 1), said.stderr
