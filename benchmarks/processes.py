"""Work in processes of its own, and what they have used (on a system with `os.wait4`)."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

# Of ru_maxrss: kibibytes on Linux, bytes on macOS.
_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10


def waited(process: subprocess.Popen[bytes]) -> Any:
    """Wait for a process, set its return code, and give its resource usage."""
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    return usage


def cpu_seconds(usage: Any) -> float:
    """Of the process and those that it waited for."""
    return float(usage.ru_utime + usage.ru_stime)


def peak_mib(usage: Any) -> float:
    """Resident memory in MiB, of the largest of these processes."""
    return float(usage.ru_maxrss / _PER_MIB)


def numbers_of(script: str, arguments: list[str], cache: str, what: str) -> dict[str, float]:
    """What a script prints as JSON in a fresh interpreter.

    Args:
        script: its path.
        arguments: of it.
        cache: folder of the embedding cache, or ``off``.
        what: it does, for the message if it fails.
    """
    found = subprocess.run(
        [sys.executable, script, *arguments],
        env=os.environ | {"TWOFOLD_CACHE": cache},
        capture_output=True,
        text=True,
        check=False,
    )
    if found.returncode:
        raise SystemExit(f"{what}: {found.stderr.strip().splitlines()[-1]}")
    parsed: dict[str, float] = json.loads(found.stdout)
    return parsed
