"""Wait for what another thread or process is about to do."""

from __future__ import annotations

import time
from collections.abc import Callable

__all__ = ["until"]


def until(true: Callable[[], bool], seconds: float = 20) -> None:
    """Return as soon as ``true()`` is; fail after some seconds."""
    end = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)
