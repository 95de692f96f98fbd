"""Several processes on one socket, and the one that watches over them."""

from __future__ import annotations

import multiprocessing
import os
import shutil
import signal
import socket
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from multiprocessing.process import BaseProcess
from typing import TYPE_CHECKING, Final

from twofold.errors import TwofoldError
from twofold.serve import missing_extra
from twofold.serve.logs import Log
from twofold.signals import on_signals

if TYPE_CHECKING:
    from twofold.serve.server import Service

__all__ = ["SHARED_FOLDER", "Workers"]

SHARED_FOLDER: Final = "PROMETHEUS_MULTIPROC_DIR"
"""Variable of the environment that names the folder in which workers add up their numbers. It is
read when prometheus-client is imported, so it is set before."""

_FAILED: Final = 3  # a worker's exit code where a model cannot be read
# A worker that ends sooner than so many seconds after its start is started again after a pause.
_SOON: Final = 10.0
_PAUSE: Final = 5.0
_TICK: Final = 0.1
_SPARE: Final = 10.0  # seconds beyond a request's time, after which a worker is ended by force


def _work(service: Service, listening: socket.socket) -> None:
    """A worker's whole life."""
    from twofold.serve.server import ServeServer  # noqa: PLC0415 - in the worker alone

    log = Log(sys.stderr)
    server = ServeServer(service, listening, log, reloaded=_tell_parent)
    parent = multiprocessing.parent_process()

    def follow() -> None:
        assert parent is not None
        parent.join()
        server.stop()

    threading.Thread(target=follow, daemon=True, name="parent").start()
    try:
        server.run()
    except (TwofoldError, OSError) as error:
        log("failed", level="error", error=str(error))
        sys.exit(_FAILED)


def _tell_parent() -> None:
    """Have the other workers read their models again, too."""
    os.kill(os.getppid(), signal.SIGHUP)


class Workers:
    """Starts workers, starts those again that end, passes signals on.

    Args:
        service: of each worker.
        listening: the socket that they share.
        n: workers.
        log: told what happens.
    """

    def __init__(self, service: Service, listening: socket.socket, n: int, log: Log) -> None:
        self._service, self._socket, self._n, self._log = service, listening, n, log
        self._context = multiprocessing.get_context("spawn")  # threads do not survive a fork
        self._running: list[tuple[BaseProcess, float]] = []
        self._due: list[float] = []  # when workers are to be started
        self._ending = self._failed = False

    @property
    def pids(self) -> list[int]:
        """Of the workers that run."""
        return [process.pid for process, _ in self._running if process.pid is not None]

    def run(self) -> None:
        """Go on until SIGINT or SIGTERM, and until the workers have finished what they accepted.

        Raises:
            TwofoldError: a worker cannot read the models.
        """
        folder = tempfile.mkdtemp(prefix="twofold-metrics-")
        os.environ[SHARED_FOLDER] = folder
        handlers: dict[int, Callable[[], None]] = {
            signal.SIGINT: self.stop,
            signal.SIGTERM: self.stop,
            signal.SIGHUP: lambda: self._send(signal.SIGHUP),
        }
        try:
            with on_signals(handlers):
                self._due = [0.0] * self._n
                while not self._ending:
                    self._tick()
                    time.sleep(_TICK)
                self._end()
        finally:
            self._socket.close()
            del os.environ[SHARED_FOLDER]
            shutil.rmtree(folder, ignore_errors=True)
        if self._failed:
            raise TwofoldError("a worker cannot read the models: its log says why")

    def stop(self) -> None:
        """End :meth:`run`."""
        self._ending = True

    def _tick(self) -> None:
        """Start what is due, and see who has ended."""
        now = time.monotonic()
        for due in [due for due in self._due if due <= now]:
            self._due.remove(due)
            process: BaseProcess = self._context.Process(
                target=_work, args=(self._service, self._socket), name="twofold-serve"
            )
            process.start()
            self._running.append((process, now))
            self._log("worker", pid=process.pid)
        for worker in list(self._running):
            process, started = worker
            if process.is_alive():
                continue
            self._running.remove(worker)
            self._forget(process)
            if process.exitcode == _FAILED:
                self._failed = self._ending = True
            else:
                self._due.append(now + (_PAUSE if now - started < _SOON else 0.0))
            self._log("ended", level="error", pid=process.pid, code=process.exitcode)

    def _forget(self, process: BaseProcess) -> None:
        """Take an ended worker's gauges out of the sums."""
        try:
            from prometheus_client import multiprocess  # noqa: PLC0415 - after the folder is set
        except ImportError as error:
            raise missing_extra(error) from None
        multiprocess.mark_process_dead(process.pid, os.environ[SHARED_FOLDER])  # type: ignore[no-untyped-call]

    def _send(self, kind: signal.Signals) -> None:
        for pid in self.pids:
            with suppress(ProcessLookupError):
                os.kill(pid, kind)

    def _end(self) -> None:
        """Have workers finish; end by force who takes too long."""
        self._send(signal.SIGTERM)
        until = time.monotonic() + self._service.limits.timeout + _SPARE
        for process, _ in self._running:
            process.join(max(0.0, until - time.monotonic()))
            if process.is_alive():
                self._log("killed", level="error", pid=process.pid)
                process.kill()
                process.join()
