"""The demo: quickly on a few cells, and whole."""

from __future__ import annotations

import csv
import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from twofold import Detector
from twofold.benchmark import demo, elpv
from twofold.cli.app import app

ROOT = Path(__file__).parents[2]
FIGURES = {"auroc", "ap", "false_alarm_rate"}


def run(out: Path) -> dict[str, Any]:
    result = CliRunner().invoke(app, ["demo", "--out", str(out), "--json"])
    assert result.exit_code == 0, result.stderr
    content: dict[str, Any] = json.loads(result.stdout)
    return content


def check(content: dict[str, Any], methods: tuple[str, ...]) -> None:
    assert set(content["directions"]) == {"mono->poly", "poly->mono"}
    assert content["seconds"] > 0
    for rows in content["directions"].values():
        assert tuple(rows) == methods
        for row in rows.values():
            assert set(row) == FIGURES | {f"{name}_std" for name in FIGURES} | {"uses_labels"}
            assert all(0 <= row[name] <= 1 for name in FIGURES)
        assert all(row["uses_labels"] == (name == "oracle") for name, row in rows.items())
    for name in content["files"]:
        assert (ROOT / name).exists()  # relative to where `make demo` ran, or absolute


def few_cells(domain: str) -> elpv.Cells:
    cells = elpv.load_cells(domain)
    rows = [*np.flatnonzero(cells.labels == 0)[:50], *np.flatnonzero(cells.labels)[:10]]
    return elpv.Cells(tuple(cells.paths[row] for row in rows), cells.labels[rows])


@pytest.mark.slow
def test_a_small_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("elpv_dataset")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("TWOFOLD_WEIGHTS", str(tmp_path / "weights"))
    methods = ("frozen_source", "auto")
    monkeypatch.setattr(demo, "DEMO_METHODS", methods)
    monkeypatch.setattr(demo, "_RANDOM_STATES", (0,))
    monkeypatch.setattr(demo, "load_cells", few_cells)
    content = run(tmp_path / "out")
    check(content, methods)
    assert all(row["auroc_std"] == 0 for row in content["directions"]["mono->poly"].values())
    assert {path.name for path in (tmp_path / "out").iterdir()} == {
        f"{name}.{kind}"
        for name in ("mono-to-poly", "poly-to-mono")
        for kind in ("csv", "html", "png", "twofold")
    } | {"figures.json"}
    assert json.loads((tmp_path / "out" / "figures.json").read_text("utf-8")) == content
    with (tmp_path / "out" / "mono-to-poly.csv").open(encoding="utf-8") as stream:
        rows = list(csv.DictReader(stream))
    assert list(rows[0]) == ["image", "score", "anomalous", "defective"]
    assert len(rows) == 60 - 25 - 3  # what the pool leaves for the test
    with Image.open(tmp_path / "out" / "mono-to-poly.png") as sheet:
        assert sheet.size == (6 * 156 + 6, 2 * 202 + 6)
    detector = Detector.load(tmp_path / "out" / "mono-to-poly.twofold")
    again = detector.decision_function([row["image"] for row in rows[:5]])
    assert again == pytest.approx([float(row["score"]) for row in rows[:5]])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_whole_demo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The one that has just been run, if the environment says where, or another."""
    pytest.importorskip("elpv_dataset")
    monkeypatch.setenv("TWOFOLD_CACHE", str(tmp_path / "cache"))
    done = os.environ.get("TWOFOLD_DEMO_FIGURES")
    content = json.loads(Path(done).read_text("utf-8")) if done else run(tmp_path / "out")
    check(content, demo.DEMO_METHODS)
    for direction, least in (("mono->poly", 0.84), ("poly->mono", 0.86)):
        rows = content["directions"][direction]
        assert rows["auto"]["auroc"] >= least
        assert rows["auto"]["auroc"] > rows["frozen_source"]["auroc"] + 0.1
        assert rows["auto"]["false_alarm_rate"] <= 0.15
