"""What a process has used, once it has ended. Needs a system with `os.wait4`."""

from __future__ import annotations

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
