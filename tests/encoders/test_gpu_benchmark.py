"""The script for a machine with a CUDA card, on a processor."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu.py"


def run(*options: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(SCRIPT), *options]
    return subprocess.run(command, check=False, capture_output=True, text=True)


@pytest.mark.slow
def test_every_part_is_measured(tmp_path: Path) -> None:
    out = tmp_path / "found.json"
    # Of thirty images nobody holds any out for made-up flaws, which take half a minute.
    small = ("--images", "60", "--batches", "2", "--steps", "2", "--repeats", "1")
    said = run("--device", "cpu", *small, "--out", str(out))
    assert said.returncode == 0, said.stderr
    found = json.loads(out.read_text())
    assert found["card"] is None
    assert set(found["whole"]) == {"encode", "fit", "score", "train"}
    assert all(rate > 0 for rates in found["whole"].values() for rate in rates)
    assert {row["precision"] for row in found["network"]} == {
        *("float32", "tf32", "bfloat16", "float16")
    }
    # A network of .4 G multiplications and additions an image; FLOPs count both.
    assert 0.5e-3 < found["network"][0]["tflop_per_image"] < 1.5e-3
    for word in ("TFLOP/s", "channels last", "train"):
        assert word in said.stdout


@pytest.mark.slow
@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_it_says_so() -> None:
    said = run()
    assert said.returncode == 1
    assert "no CUDA card here" in said.stderr
