"""When a file is complete: once it has stayed as it is for a while, or was renamed to its name."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.watch.versions import Version

__all__ = ["Settling"]


@dataclass(frozen=True)
class _Waiting:
    version: Version
    since: float


class Settling:
    """Files between the first look at them and their score. Knows nothing of disks and clocks.

    Args:
        seconds: for which size and time of a file have to stay the same, >= 0.
    """

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._waiting: dict[str, _Waiting] = {}
        self._ready: dict[str, Version] = {}

    def see(self, version: Version, now: float, *, complete: bool = False) -> None:
        """Take into account how a file looks now.

        Args:
            version: of a file that has no score yet.
            now: seconds, of a clock that never goes back.
            complete: it was renamed to its name, which nobody does before the end of writing.
        """
        path = version.path
        if self._ready.get(path) == version:
            return
        self._ready.pop(path, None)
        waiting = self._waiting.get(path)
        same = waiting is not None and waiting.version == version
        if complete or (same and waiting is not None and now - waiting.since >= self._seconds):
            self._waiting.pop(path, None)
            self._ready[path] = version
        elif not same:
            self._waiting[path] = _Waiting(version, now)

    def drop(self, path: str) -> None:
        """Forget a file that has gone, or has its score."""
        self._waiting.pop(path, None)
        self._ready.pop(path, None)

    def due(self, now: float) -> list[str]:
        """The files at which to look again: the time for which they must stay has passed."""
        return [path for path, one in self._waiting.items() if now - one.since >= self._seconds]

    def next_due(self) -> float | None:
        """When the first of the files is due; None where none is waiting."""
        times = [one.since for one in self._waiting.values()]
        return min(times) + self._seconds if times else None

    def take(self, n: int) -> list[Version]:
        """At most ``n`` of the complete files, those that were changed first in front."""
        first = sorted(self._ready.values())[:n]
        for version in first:
            del self._ready[version.path]
        return first

    @property
    def n_ready(self) -> int:
        """How many files are complete."""
        return len(self._ready)

    @property
    def waiting(self) -> list[str]:
        """The files that are not complete yet."""
        return list(self._waiting)
