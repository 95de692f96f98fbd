"""Being told by the system that a file has come (the package `watchdog`)."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

from twofold.errors import MissingExtraError

__all__ = ["Ears", "Heard", "listen"]

Heard = Callable[[str | None, bool], None]
"""Called with a path, and whether the file was renamed to it; None: look at the whole folder."""


class Ears:
    """Listens until it is closed."""

    def __init__(self, observer: Any, folder: str) -> None:
        self._observer, self._folder = observer, folder
        self._identity = _identity(folder)

    @property
    def alive(self) -> bool:
        """Whether it hears of the folder: not once another one has taken its place."""
        return self._observer.is_alive() and _identity(self._folder) in {self._identity, None}

    def close(self) -> None:
        """Listen no more."""
        self._observer.stop()
        self._observer.join(timeout=5)


def listen(folder: str, heard: Heard) -> Ears:
    """Call ``heard``, in a thread of its own, for whatever is written into a folder.

    Args:
        folder: with all below it, links not followed.
        heard: must return at once.

    Raises:
        MissingExtraError: `watchdog` is not installed.
        OSError: the system has no watches left, or the folder is away.
    """
    try:
        from watchdog import events  # noqa: PLC0415 - an optional dependency
        from watchdog.observers import Observer  # noqa: PLC0415
    except ImportError:
        raise MissingExtraError(
            "no events without watchdog: pip install 'twofold[watch]', or give --poll SECONDS"
        ) from None

    class Handler(events.FileSystemEventHandler):
        def on_any_event(self, event: events.FileSystemEvent) -> None:
            renamed = event.event_type == events.EVENT_TYPE_MOVED
            if event.is_directory:
                heard(None, False)
            else:
                heard(os.fsdecode(event.dest_path if renamed else event.src_path), renamed)

    wanted = [
        *(events.FileCreatedEvent, events.FileModifiedEvent, events.FileClosedEvent),
        *(events.FileMovedEvent, events.DirCreatedEvent, events.DirMovedEvent),
    ]
    # A folder that is told of twice is watched once; the library warns of it and goes on.
    warnings.filterwarnings("ignore", "Callback with id", RuntimeWarning, module="watchdog")
    observer = Observer()
    observer.schedule(Handler(), folder, recursive=True, event_filter=wanted)
    observer.start()
    return Ears(observer, folder)


def _identity(folder: str) -> tuple[int, int] | None:
    try:
        status = Path(folder).stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
