"""Doing something at a signal for a while."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from types import FrameType

__all__ = ["on_signals"]


@contextmanager
def on_signals(handlers: Mapping[int, Callable[[], None]], *, once: bool = False) -> Iterator[None]:
    """Within the block each of these signals calls its handler.

    In a thread other than the main one, which cannot be asked, nothing changes.

    Args:
        handlers: by signal.
        once: the first of them ends this, so that a second one does what it usually does.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in handlers}

    def restore() -> None:
        for number, handler in before.items():
            signal.signal(number, handler)

    def handle(number: int, frame: FrameType | None) -> None:
        del frame
        if once:
            restore()
        handlers[number]()

    for number in handlers:
        signal.signal(number, handle)
    try:
        yield
    finally:
        restore()
