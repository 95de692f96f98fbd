"""A listening socket, and a server that ends at a signal in good order."""

from __future__ import annotations

import ipaddress
import os
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn

from twofold.errors import UsageError
from twofold.web.asgi import App

__all__ = ["QuietServer", "is_loopback", "listen", "settings"]


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach an address."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:  # another name
        return False


def listen(
    host: str, port: int, backlog: int = 64, *, hint: str = "leave it out to take a free one"
) -> socket.socket:
    """A socket that listens from now on.

    Args:
        host: address or name, of IPv4 or IPv6.
        port: 0 takes a free one.
        backlog: connections that may wait to be accepted.
        hint: what to do where the port cannot be had.

    Raises:
        UsageError: the address is none of this machine, or the port is taken or not allowed.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except (OSError, UnicodeError) as error:
        raise UsageError(f"--host {host}: {error}") from error
    listening = socket.socket(family, socket.SOCK_STREAM)
    try:
        if os.name == "posix":
            # A port whose last connections are still ending may be taken again at once. (Elsewhere
            # it would let another program take the port away.)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(backlog)
    except OSError as error:
        listening.close()
        raise UsageError(f"--port {port}: {error.strerror}; {hint}") from error
    return listening


def settings(app: App, **more: Any) -> uvicorn.Config:
    """How uvicorn serves an application of ours: quietly, plain HTTP and nothing else.

    Args:
        app: behind its own checks.
        more: settings of uvicorn; they go before these.
    """
    own: dict[str, Any] = {
        "log_config": None,
        "log_level": "error",
        "access_log": False,  # it would show tokens in addresses
        "server_header": False,
        "proxy_headers": False,  # nobody's word is taken for who asks
        "lifespan": "off",
        "ws": "none",
        "http": "h11",
    }
    return uvicorn.Config(app, **(own | more))


class QuietServer(uvicorn.Server):
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
