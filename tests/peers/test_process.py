"""A worker in a process of its own: what it wrote, what it cost, how it failed."""

from __future__ import annotations

import os
import time
from pathlib import Path

import pytest
from peers.cells import Images
from peers.process import run_worker

if not hasattr(os, "wait4"):
    pytest.skip("needs os.wait4", allow_module_level=True)

IMAGES = Images(("a",), ("b",), ("c", "d"))
HEAD = "import json, os, sys, time\ntask, result = sys.argv[1:]\ntask = json.load(open(task))\n"


def run(folder: Path, body: str, limit: float = 60) -> dict[str, object]:
    """Run a made-up worker."""
    (folder / "made_up_worker.py").write_text(HEAD + body, encoding="utf-8")
    return run_worker("a/b@pool", 3, IMAGES, limit, module="made_up_worker")


@pytest.fixture(autouse=True)
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Made-up workers are imported from here."""
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))


@pytest.mark.slow
def test_what_it_wrote_comes_back_with_what_it_cost(tmp_path: Path) -> None:
    # More than this process has, whose peak a child is told to have at least.
    body = (
        "import resource\n"
        "more = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 + 200 * 2**20\n"
        "filled = bytearray(b'x') * more\n"
        "end = time.process_time() + 0.3\n"
        "while time.process_time() < end: pass\n"
        "cache = os.listdir(os.path.dirname(os.environ['TWOFOLD_CACHE']))\n"
        "json.dump({'task': task, 'bytes': more, 'cached': 'cache' in cache}, open(result, 'w'))\n"
    )
    row = run(tmp_path, body)
    assert row["error"] is None
    assert row["task"] == {"system": "a/b@pool", "run": 3, "images": IMAGES.document()}
    assert row["cached"] is False
    peak, wanted = row["peak_mib"], row["bytes"]
    assert isinstance(peak, int)
    assert isinstance(wanted, int)
    assert wanted / 2**20 - 20 < peak < wanted / 2**20 + 200
    cpu, wall = row["cpu_seconds"], row["wall_seconds"]
    assert isinstance(cpu, float)
    assert isinstance(wall, float)
    assert cpu >= 0.3
    assert wall >= 0.3


@pytest.mark.parametrize(
    ("body", "wanted"),
    [
        ("raise ValueError('no such pixels')\n", "exit 1: ValueError: no such pixels"),
        ("sys.exit(4)\n", "exit 4: no message"),
        ("os.kill(os.getpid(), 9)\n", "exit -9: no message"),
    ],
)
def test_a_failure_is_told(tmp_path: Path, body: str, wanted: str) -> None:
    row = run(tmp_path, body)
    assert row["error"] == wanted
    assert "scores" not in row


def alive(process: int) -> bool:
    """Neither gone, nor dead and not yet waited for."""
    try:
        state = Path(f"/proc/{process}/stat").read_text(encoding="utf-8")
    except OSError:
        return False
    return state.rpartition(") ")[2][0] not in "ZX"


@pytest.mark.slow
def test_what_takes_too_long_is_ended_with_all_it_started(tmp_path: Path) -> None:
    body = (
        "import subprocess\n"
        f"child = subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(50)'])\n"
        f"open({str(tmp_path / 'child')!r}, 'w').write(str(child.pid))\n"
        "time.sleep(50)\n"
    )
    row = run(tmp_path, body, limit=2)
    assert row["error"] == "ended after 2 s"
    child = int((tmp_path / "child").read_text(encoding="utf-8"))
    for _ in range(100):  # the system takes a moment to end it
        if not alive(child):
            break
        time.sleep(0.05)
    assert not alive(child)
