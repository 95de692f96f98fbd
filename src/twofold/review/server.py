"""Serving the review page on this machine, until the person at the terminal ends it."""

from __future__ import annotations

import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from twofold.errors import UsageError
from twofold.review import missing_extra
from twofold.review.app import make_app
from twofold.review.gallery import Gallery
from twofold.review.guard import Access, App
from twofold.review.session import Session

try:
    import uvicorn
except ImportError as error:
    raise missing_extra(error) from None

__all__ = ["ReviewServer"]


class ReviewServer:
    """Listens from the moment it is made; answers while :meth:`run` runs.

    Args:
        session: marks and estimates.
        gallery: pictures.
        port: to listen on; 0 takes a free one.
        tell: called with a line for the person at the terminal.

    Attributes:
        access: holds the address to open in a browser.
        address: host and port that it listens on.

    Raises:
        UsageError: the port is taken or not allowed.
    """

    def __init__(
        self, session: Session, gallery: Gallery, port: int, tell: Callable[[str], None]
    ) -> None:
        self._socket = _listen(port)
        self.address: tuple[str, int] = self._socket.getsockname()
        self.access = Access(self.address[1])
        self._server = _Server(_settings(make_app(session, gallery, self.access, tell)))

    def run(self) -> None:
        """Answer requests until SIGINT, SIGTERM or :meth:`stop`; then end in good order."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End :meth:`run` from another thread."""
        self._server.should_exit = True


def _listen(port: int) -> socket.socket:
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        listening.bind(("127.0.0.1", port))
        listening.listen(64)
    except OSError as error:
        listening.close()
        message = f"--port {port}: {error.strerror}; leave it out to take a free one"
        raise UsageError(message) from error
    return listening


def _settings(app: App) -> uvicorn.Config:
    return uvicorn.Config(
        app,
        log_level="warning",
        access_log=False,  # it would show the token
        server_header=False,
        lifespan="off",
        ws="none",
        http="h11",
        limit_concurrency=64,
        timeout_graceful_shutdown=2,
    )


class _Server(uvicorn.Server):
    """Ends at a signal without raising it again, so that the command can say what was done."""

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Take SIGINT and SIGTERM for a wish to end."""
        if threading.current_thread() is not threading.main_thread():
            yield
            return

        def end(*_: Any) -> None:
            self.should_exit = True

        before = {kind: signal.signal(kind, end) for kind in (signal.SIGINT, signal.SIGTERM)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)
