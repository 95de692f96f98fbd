"""Serving the review page on this machine, until the person at the terminal ends it."""

from __future__ import annotations

from collections.abc import Callable

from twofold.review import missing_extra
from twofold.review.app import make_app
from twofold.review.gallery import Gallery
from twofold.review.guard import Access
from twofold.review.session import Session

try:
    from twofold.web.listening import listen
    from twofold.web.server import QuietServer, settings
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
        self._socket = listen("127.0.0.1", port)
        self.address: tuple[str, int] = self._socket.getsockname()
        self.access = Access(self.address[1])
        app = make_app(session, gallery, self.access, tell)
        self._server = QuietServer(settings(app, limit_concurrency=64, timeout_graceful_shutdown=2))

    def run(self) -> None:
        """Answer requests until SIGINT, SIGTERM or :meth:`stop`; then end in good order."""
        try:
            self._server.run(sockets=[self._socket])
        finally:
            self._socket.close()

    def stop(self) -> None:
        """End :meth:`run` from another thread."""
        self._server.should_exit = True
