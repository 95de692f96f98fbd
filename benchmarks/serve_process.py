"""`twofold serve` in a process of its own, and how that process stands."""

from __future__ import annotations

import http.client
import os
import shlex
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

__all__ = ["counted", "served", "state_of"]


@contextmanager
def served(model: str, options: str) -> Iterator[tuple[int, int]]:
    """Process id and port of a service that is ready."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "twofold", "serve", model, "--port", str(port)]
    with tempfile.TemporaryFile() as log:
        process = subprocess.Popen([*command, *shlex.split(options)], stderr=log)
        try:
            wait_until_ready(port, process)
            yield process.pid, port
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


def wait_until_ready(port: int, process: subprocess.Popen[bytes]) -> None:
    """Until the models have been read."""
    while process.poll() is None:
        with suppress(OSError):
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
            connection.request("GET", "/readyz")
            if connection.getresponse().status == 200:
                return
        time.sleep(0.2)
    raise SystemExit("the service ended")


def counted(port: int) -> float:
    """Images that the service says to have judged."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
    connection.request("GET", "/metrics")
    lines = connection.getresponse().read().decode().splitlines()
    return sum(
        float(line.split()[-1]) for line in lines if line.startswith("twofold_images_total{")
    )


def state_of(pid: int) -> dict[str, int]:
    """Memory, files and threads of a process."""
    status = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    lines = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
    files = len(os.listdir(f"/proc/{pid}/fd"))  # noqa: PTH208
    memory = int(lines["VmRSS"].split()[0]) // 1024
    return {"memory_mb": memory, "files": files, "threads": int(lines["Threads"])}
