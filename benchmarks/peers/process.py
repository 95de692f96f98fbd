"""A worker in a process of its own, measured from outside. Needs a system with `os.wait4`."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from threading import Event, Timer
from typing import Any

from processes import cpu_seconds, peak_mib, waited

from peers.cells import Images

_BENCHMARKS = Path(__file__).resolve().parents[1]


def run_worker(
    system: str, run: int, images: Images, limit: float, module: str = "peers.worker"
) -> dict[str, Any]:
    """Start a worker, wait for it, and measure it.

    Args:
        system: id of the system.
        run: number of the run.
        images: what it gets; without labels.
        limit: seconds after which it is ended.
        module: the program that is run.

    Returns:
        What the worker wrote, with ``wall_seconds``, ``cpu_seconds`` (of the process and those that
        it waited for), ``peak_mib`` and ``error``: None, or the last line of what it said. The peak
        is the resident memory of the largest of these processes. Linux never tells less than the
        peak of the process that calls this function, some 110 MiB, so nothing large may be
        imported there.
    """
    with tempfile.TemporaryDirectory() as folder:
        task, result, said = (Path(folder) / name for name in ("task.json", "result.json", "said"))
        document = {"system": system, "run": run, "images": images.document()}
        task.write_text(json.dumps(document), encoding="utf-8")
        command = [sys.executable, "-m", module, str(task), str(result)]
        start = time.perf_counter()
        with said.open("wb") as stream:
            process = subprocess.Popen(
                command,
                cwd=_BENCHMARKS,
                # A first run: twofold's cache is on, as a user has it, and empty.
                env=os.environ | {"TWOFOLD_CACHE": str(Path(folder) / "cache"), "TMPDIR": folder},
                stdout=stream,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        usage, late = _waited(process, limit)
        wall = time.perf_counter() - start
        error = None
        if process.returncode:
            lines = said.read_text(encoding="utf-8", errors="replace").split("\n")
            last = next((line.strip() for line in reversed(lines) if line.strip()), "no message")
            error = f"ended after {limit:g} s" if late else f"exit {process.returncode}: {last}"
        found = {} if error else json.loads(result.read_text(encoding="utf-8"))
    return found | {
        "wall_seconds": round(wall, 3),
        "cpu_seconds": round(cpu_seconds(usage), 1),
        "peak_mib": round(peak_mib(usage)),
        "error": error,
    }


def _waited(process: subprocess.Popen[bytes], limit: float) -> tuple[Any, bool]:
    """Resources that the process used, and whether it was ended for taking too long."""
    late = Event()

    def end() -> None:
        late.set()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)

    timer = Timer(limit, end)
    timer.start()
    try:
        usage = waited(process)
    except BaseException:
        end()
        raise
    finally:
        timer.cancel()
    return usage, late.is_set() and process.returncode != 0
