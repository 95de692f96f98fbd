"""Real kills of a real process; the long form is benchmarks/watch_kills.py."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAM = Path(__file__).parents[2] / "benchmarks" / "watch_kills.py"


@pytest.mark.slow
def test_each_file_has_one_row_after_kills_at_random_moments(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", str(PROGRAM), "--files", "200", "--kills", "3"]
    done = subprocess.run(
        [*command, "--batch", "8", "--work", str(tmp_path / "work")],
        env=os.environ | {"TWOFOLD_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    found = json.loads(done.stdout)
    assert found["exactly_once"]
    assert (found["files"], found["rows"], found["files_in_bad"]) == (200, 200, 4)
    assert found["files_left"] == 0
