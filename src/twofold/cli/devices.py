"""The same command in several processes that train one network together."""

from __future__ import annotations

import os
import subprocess
import sys

__all__ = ["run_in_processes"]


def run_in_processes(devices: int) -> int:
    """Run this process's command again, in so many processes; give the exit code.

    All of them do the whole work, with the same random state, and share what training needs; the
    first one writes and prints.
    """
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone"),
        *("--nproc-per-node", str(devices), "--local-ranks-filter", "0"),
        *("-m", "twofold", *sys.argv[1:]),
    ]
    # What the launcher would set by itself, with a warning; more threads would only compete.
    threads = str(max(1, (os.cpu_count() or 1) // devices))
    environment = {"OMP_NUM_THREADS": threads} | os.environ
    return subprocess.run(command, env=environment, check=False).returncode  # noqa: S603 - ours
