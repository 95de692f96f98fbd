"""Ending on request instead of in the middle of something."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

__all__ = ["stopping"]


@contextmanager
def stopping(stop: Callable[[], None]) -> Iterator[None]:
    """Within the block SIGINT and SIGTERM call ``stop``; a second one does what it usually does.

    In a thread other than the main one, which cannot be asked, nothing changes.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    asked = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.getsignal(number) for number in asked}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        del number, frame
        restore()
        stop()

    for number in asked:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
