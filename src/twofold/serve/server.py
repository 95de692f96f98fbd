"""One process that serves: models, addresses, signals."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, Final

from twofold.errors import TwofoldError
from twofold.serve import missing_extra
from twofold.serve.access import Access
from twofold.serve.app import make_app
from twofold.serve.limits import HEAD_BYTES, Limits
from twofold.serve.logs import Log
from twofold.serve.metrics import Metrics
from twofold.serve.model import Loader, Model, Source
from twofold.serve.models import Models

try:
    from twofold.serve.patient import patient
    from twofold.web.server import QuietServer, settings
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["BACKLOG", "ServeServer", "Service", "raise_open_files"]

BACKLOG: Final = 1024
"""Connections that the system holds until they are accepted; a burst of clients."""
# Open files besides connections: models, the cache, metrics, the event loop.
_SPARE_FILES: Final = 128


@dataclass(frozen=True)
class Service:
    """What is served; can be sent to another process.

    Attributes:
        sources: of the models, at least one.
        access: who may ask.
        limits: of requests.
        most_bytes: of memory for models; None has no bound.
    """

    sources: tuple[Source, ...]
    access: Access
    limits: Limits = field(default_factory=Limits)
    most_bytes: int | None = None


def raise_open_files(connections: int) -> int:
    """Allow this process the files that so many connections need; how many it can then have."""
    try:
        import resource  # noqa: PLC0415 - not on Windows
    except ImportError:
        return connections
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = connections + _SPARE_FILES
    if soft < wanted:
        soft = wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)
        with suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    return max(1, min(connections, soft - _SPARE_FILES))


class ServeServer:
    """Listens on a socket from :meth:`run` on.

    Args:
        service: what is served.
        listening: a socket that listens; it is closed at the end.
        log: told what happens.
        reloaded: called after models were read again because a request asked for it.
        load: reads a model.

    Attributes:
        failure: why the models could not be read at the start; None if they could.
    """

    def __init__(
        self,
        service: Service,
        listening: socket.socket,
        log: Log | None = None,
        *,
        reloaded: Callable[[], None] = lambda: None,
        load: Loader = Model.load,
    ) -> None:
        self._service, self._socket = service, listening
        self._log = Log(sys.stderr) if log is None else log
        self._reloaded, self._load = reloaded, load
        self._server: _Server | None = None
        self._stopped = False
        self.failure: Exception | None = None

    def run(self) -> None:
        """Answer until SIGINT, SIGTERM or :meth:`stop`; then finish what was accepted.

        Raises:
            TwofoldError: a model cannot be read.
        """
        try:
            asyncio.run(self._run())
        finally:
            self._socket.close()
        if self.failure is not None:
            raise self.failure

    def stop(self) -> None:
        """End :meth:`run` from another thread."""
        self._stopped = True
        if self._server is not None:
            self._server.should_exit = True

    async def _run(self) -> None:
        service, limits = self._service, self._service.limits
        metrics = Metrics()
        models = Models(
            service.sources,
            limits,
            metrics,
            self._log,
            most_bytes=service.most_bytes,
            load=self._load,
        )
        app = make_app(models, limits, service.access, metrics, self._log, reloaded=self._reloaded)
        config = settings(
            app,
            http=patient(raise_open_files(limits.connections)),
            h11_max_incomplete_event_size=HEAD_BYTES,
            backlog=BACKLOG,
            timeout_keep_alive=15,  # longer than between the images of a line
            timeout_graceful_shutdown=int(limits.timeout) + 1,
        )
        self._server = _Server(config, models.reload)
        self._server.should_exit = self._stopped
        loading = asyncio.create_task(self._load_all(models))
        try:
            await self._server.serve(sockets=[self._socket])
        finally:
            loading.cancel()
            with suppress(asyncio.CancelledError):
                await loading
            await asyncio.to_thread(models.close)
            self._log("stopped")

    async def _load_all(self, models: Models) -> None:
        try:
            await models.load_all()
        except (TwofoldError, OSError) as error:
            self.failure = error
            assert self._server is not None
            self._server.should_exit = True
        else:
            host, port = self._service.access.host, self._service.access.port
            self._log("serving", host=host, port=port, models=models.names)


class _Server(QuietServer):
    """Reads models again at SIGHUP.

    Args:
        config: of uvicorn.
        reload: reads all models again.
    """

    def __init__(self, config: Any, reload: Callable[[], Coroutine[Any, Any, Any]]) -> None:
        super().__init__(config)
        self._reload = reload
        self._tasks: set[asyncio.Task[Any]] = set()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGHUP as well."""
        with super().capture_signals():
            hangup = getattr(signal, "SIGHUP", None)  # there is none on Windows
            if hangup is None or threading.current_thread() is not threading.main_thread():
                yield
                return
            loop = asyncio.get_running_loop()
            loop.add_signal_handler(hangup, self._begin)
            try:
                yield
            finally:
                loop.remove_signal_handler(hangup)

    def _begin(self) -> None:
        task = asyncio.ensure_future(self._reload())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
