"""A test process that dies: its test is tried once more, and everything else is run once."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
CONFTEST = """
import pytest
from tests.support.scheduling import Files

def pytest_xdist_make_scheduler(config, log):
    return Files(config, log)

@pytest.fixture(autouse=True)
def counted(request):
    with open({log!r}, "a") as log:
        log.write(request.node.nodeid + chr(10))
"""
USUAL = "import time\n" + "".join(f"def test_{n}(): time.sleep(0.01)\n" for n in range(6))
DIES = """
import os
from pathlib import Path

def test_before(): pass

def test_dies():
    marker = Path({marker!r})
    if {always} or not marker.exists():
        marker.touch()
        os._exit(7)
"""
AFTER = "def test_after(): pass\n"


@pytest.mark.slow
@pytest.mark.parametrize(
    ("processes", "always", "last"), [(1, True, False), (1, True, True), (2, False, False)]
)
def test_what_a_process_that_dies_was_at_is_tried_once_more(
    tmp_path: Path, processes: int, always: bool, last: bool
) -> None:
    log = tmp_path / "log"
    (tmp_path / "conftest.py").write_text(CONFTEST.format(log=str(log)))
    for name in "abdef":
        (tmp_path / f"test_{name}.py").write_text(USUAL)
    dies = DIES.format(marker=str(tmp_path / "m"), always=always) + ("" if last else AFTER)
    (tmp_path / "test_c.py").write_text(dies)
    there = [f"test_{name}.py::test_{n}" for name in "abdef" for n in range(6)]
    there += [f"test_c.py::test_{name}" for name in ("before", "dies", "after")[: 2 if last else 3]]
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    options = ["--dist", "loadfile", "--no-loadscope-reorder", "-n", str(processes)]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST")}
    found = subprocess.run(
        [*command, *options, "--max-worker-restart", "3", "--rootdir", str(tmp_path)],
        env=environment | {"PYTHONPATH": str(ROOT)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert "a process died in test_c.py::test_dies; it is tried once more" in found.stdout
    passed = f"1 failed, {len(there) - 1} passed" if always else f"{len(there)} passed"
    assert passed in found.stdout, found.stdout
    assert ("crashed while running 'test_c.py::test_dies'" in found.stdout) == always
    # All once but for the one that died.
    assert sorted(log.read_text().split()) == sorted([*there, "test_c.py::test_dies"])
