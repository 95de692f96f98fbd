"""Real kills of a real process; with a model, and more of them: benchmarks/watch_kills.py."""

from __future__ import annotations

import csv
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from tests.watch.cases import tree, write

ROOT = Path(__file__).parents[2]
PROGRAM = """
import sys
from pathlib import Path
from tests.watch.cases import watching
more = {"once": False, "poll": 0.05, "settle": 0.02, "move": True, "batch": 3}
with watching(Path(sys.argv[1]), sys.argv[2], **more) as watcher:
    watcher.run()
"""


def lines(path: Path) -> int:
    return path.read_bytes().count(b"\n") if path.exists() else 0


@pytest.mark.slow
def test_each_file_has_one_row_after_kills_at_random_moments(tmp_path: Path) -> None:
    folder, out = tmp_path / "in", tmp_path / "r.csv"
    names = [f"{number % 3}/{number}.png" for number in range(200)]
    for number, name in enumerate(names):
        write(folder, name, number % 150)
    draw = random.Random(0)
    path = os.pathsep.join([str(ROOT / "src"), str(ROOT)])
    for moment in [*sorted(draw.sample(range(190), 8)), 200]:
        process = subprocess.Popen(
            [sys.executable, "-c", PROGRAM, str(folder), str(out)],
            env=os.environ | {"PYTHONPATH": path},
        )
        end = time.monotonic() + 60
        while lines(out) <= moment and time.monotonic() < end:
            time.sleep(0.001)
            assert process.poll() is None
        if moment < 200:
            time.sleep(draw.uniform(0.0, 0.05))
            process.kill()
            assert process.wait() == -signal.SIGKILL
        else:
            process.terminate()
            assert process.wait(60) == 0
    with out.open(encoding="utf-8", newline="") as stream:
        images = Counter(row["image"] for row in csv.DictReader(stream))
    assert images == Counter(str(folder / name) for name in names)
    assert Counter(path.split("/", 1)[1] for path in tree(folder)) == Counter(names)
    assert {path.split("/", 1)[0] for path in tree(folder)} == {"ok", "ng"}
