"""The paper's claim on one of its own data sets, by the command line alone."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest
from typer.testing import Result

OFFICE31 = os.environ.get("TWOFOLD_OFFICE31")
METHODS = "source_only,paper,paper_few_shot,oracle"


@pytest.mark.slow
@pytest.mark.skipif(not OFFICE31, reason="TWOFOLD_OFFICE31 does not name a folder with Office-31")
def test_adaptation_helps_from_webcam_to_amazon(tmp_path: Path, run: Callable[..., Result]) -> None:
    arguments = ("--directions", "webcam:amazon", "--classes", "desk_lamp", "--methods", METHODS)
    done = run("bench", "office31", *arguments, "--root", OFFICE31, "--out", tmp_path)
    assert done.exit_code == 0, done.stderr
    lines = (tmp_path / "results.jsonl").read_text(encoding="utf-8").splitlines()
    area = {row["method"]: row["auroc"] for row in map(json.loads, lines)}
    assert area["paper"] > area["source_only"] + 0.04
    assert area["paper_few_shot"] > area["source_only"] + 0.02
    assert area["oracle"] > area["paper"] + 0.04
