"""From photographs of dogs to sketches of dogs, by the command line alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pytest
from typer.testing import Result

PACS = os.environ.get("TWOFOLD_PACS")


def link(paths: Sequence[Path], folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    for path in paths:
        (folder / f"{path.parent.name}-{path.name}").symlink_to(path)
    return folder


@pytest.mark.slow
@pytest.mark.skipif(not PACS, reason="TWOFOLD_PACS does not name a folder with PACS")
def test_photo_to_sketch(tmp_path: Path, run: Callable[..., Result]) -> None:
    root = Path(PACS or "")
    generator = np.random.default_rng(0)
    dogs = sorted((root / "sketch" / "dog").iterdir())
    generator.shuffle(dogs)
    others = [
        path
        for folder in sorted((root / "sketch").iterdir())
        if folder.name != "dog"
        for path in sorted(folder.iterdir())
    ]
    generator.shuffle(others)
    half = len(dogs) // 2
    few = round(half / 9)  # a tenth of the pool
    pool = link([*dogs[:half], *others[:few]], tmp_path / "pool")
    normal = link(dogs[half:], tmp_path / "normal")
    anomalous = link(others[few : few + 400], tmp_path / "anomalous")
    model = tmp_path / "model"

    fitted = run("fit", "--source", root / "photo" / "dog", "--target", pool, "--out", model)
    assert fitted.exit_code == 0, fitted.stderr
    scored = run("score", model, normal, "--out", tmp_path / "scores.csv")
    assert scored.exit_code == 0, scored.stderr
    lines = (tmp_path / "scores.csv").read_text(encoding="utf-8").splitlines()
    assert len(lines) == 1 + len(dogs) - half

    arguments = ("--normal", normal, "--anomalous", anomalous, "--json")
    figures = json.loads(run("evaluate", model, *arguments).stdout)
    assert figures["auroc"] > 0.6
    assert figures["false_alarm_rate"] < 0.3
