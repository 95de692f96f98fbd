"""A server that ends at a signal in good order."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from twofold.signals import on_signals
from twofold.web.asgi import App

try:
    import uvicorn
except ImportError:  # whoever imports this says which extra brings it
    raise

__all__ = ["QuietServer", "settings"]


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

        def end() -> None:
            self.should_exit = True

        with on_signals(dict.fromkeys((signal.SIGINT, signal.SIGTERM), end)):
            yield
