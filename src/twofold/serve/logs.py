"""What happens, a line of JSON each; never a part of an image."""

from __future__ import annotations

import json
import threading
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, TextIO

__all__ = ["Log", "where"]


class Log:
    """Writes lines of JSON; safe to call from several threads.

    Args:
        stream: to write to. One that is closed or full ends no request.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream, self._lock = stream, threading.Lock()

    def __call__(self, event: str, *, level: str = "info", **about: Any) -> None:
        """Write one line.

        Args:
            event: what happened, a fixed word or two.
            level: ``info``, ``warning`` or ``error``.
            about: plain values; all that is not ASCII is escaped, so that no value ends a line.
        """
        now = datetime.now(UTC).isoformat(timespec="milliseconds")
        line = json.dumps({"time": now, "level": level, "event": event} | about, default=str)
        with self._lock, suppress(OSError, ValueError):
            self._stream.write(line + "\n")
            self._stream.flush()


def where(error: BaseException) -> str:
    """Kind and place of an error that nobody foresaw, without the values it speaks of."""
    frames = traceback.extract_tb(error.__traceback__)[-3:]
    places = " < ".join(f"{frame.name}:{frame.lineno}" for frame in reversed(frames))
    return f"{type(error).__name__} at {places}"
