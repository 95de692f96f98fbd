"""`twofold fit --devices`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from tests.cli.cases import Run

from twofold import Detector


@pytest.mark.slow
def test_two_processes_write_one_model(world: Path, tmp_path: Path) -> None:
    command = [
        *(sys.executable, "-m", "twofold", "fit", "--method", "paper"),
        *("--source", world / "source", "--target", world / "target"),
        *("--option", 'training={"max_steps": 3, "batch_source": 8}', "--json"),
    ]
    found = {}
    for devices in (1, 2):
        out = tmp_path / str(devices)
        done = subprocess.run(
            [*map(str, command), "--out", str(out), "--devices", str(devices)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr[-2000:]
        assert json.loads(done.stdout)["model"] == str(out)
        found[devices] = Detector.load(out).decision_function(world / "normal")
    np.testing.assert_allclose(found[2], found[1], rtol=0, atol=1e-5 * np.ptp(found[1]))


def test_ray_is_for_one_process(run: Run) -> None:
    found = run("fit", "--source", "s", "--out", "o", "--devices", 2, "--engine", "ray")
    assert found.exit_code == 2
    assert "leave it out with --devices" in found.stderr


def test_the_same_command_runs_in_each(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[list[str]] = []

    def fake(command: list[str], **options: object) -> subprocess.CompletedProcess[bytes]:
        asked.append(command)
        return subprocess.CompletedProcess(command, 3)

    monkeypatch.setattr(subprocess, "run", fake)
    arguments = ["fit", "--source", "s", "--out", "o", "--devices", "4"]
    monkeypatch.setattr(sys, "argv", ["twofold", *arguments])
    assert run(*arguments).exit_code == 3
    (command,) = asked
    assert command[-len(arguments) - 2 :] == ["-m", "twofold", *arguments]
    assert command[command.index("--nproc-per-node") + 1] == "4"
    monkeypatch.setenv("TORCHELASTIC_RUN_ID", "x")
    monkeypatch.setenv("WORLD_SIZE", "4")
    assert run(*arguments).exit_code != 3
    assert len(asked) == 1
