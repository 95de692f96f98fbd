"""The files of a folder that are new and complete, found by looking and by being told."""

from __future__ import annotations

import os
from collections.abc import Callable

from twofold.images.reading import display_name
from twofold.watch.settling import Settling
from twofold.watch.versions import Ignored, Version, find_version, is_wanted, scan

__all__ = ["Arrivals"]

# Files that are none are named one by one up to here; a folder full of them would fill the log.
_MOST_NAMED = 1000


class Arrivals:
    """Looks at a folder; remembers which of the files that lie there have their score.

    Args:
        folder: to look at.
        knows: whether a version has its score already.
        settle: seconds for which a file has to stay as it is.
        say: told once of each thing that is left out, and why.
    """

    def __init__(
        self,
        folder: str,
        knows: Callable[[Version], bool],
        settle: float,
        say: Callable[[str], None],
    ) -> None:
        self._folder, self._knows, self._say = folder, knows, say
        self._settling = Settling(settle)
        self._done: dict[str, Version] = {}
        self._named: set[Ignored] = set()

    def look(self, now: float) -> None:
        """Look at the whole folder."""
        before, self._done = self._done, {}
        for found in scan(self._folder):
            if isinstance(found, Ignored):
                self._leave_out(found)
            elif before.get(found.path) == found:
                self._done[found.path] = found
            else:
                self._see(found, now, complete=False)

    def look_at(self, path: str, now: float, *, complete: bool = False) -> None:
        """Look at one path below the folder."""
        if not is_wanted(path):
            return
        try:
            found = find_version(self._folder, path)
        except OSError:  # a folder that is away for a while
            return
        if isinstance(found, Version):
            self._see(found, now, complete=complete)
        else:
            self._settling.drop(path)
            if found is not None:
                self._leave_out(found)

    def look_again(self, now: float) -> None:
        """Look at the files whose time is up: they are complete, have changed or are gone."""
        for path in self._settling.due(now):
            self.look_at(path, now)

    def below(self, path: str) -> str:
        """A path that the system has told, as one below the folder."""
        return os.path.relpath(path, self._folder)

    def done(self, version: Version) -> None:
        """A version has its score, or is to have none."""
        self._done[version.path] = version

    @property
    def settling(self) -> Settling:
        """The files on their way."""
        return self._settling

    def _see(self, version: Version, now: float, *, complete: bool) -> None:
        if self._done.get(version.path) == version:
            return
        if self._knows(version):
            self._done[version.path] = version
            self._settling.drop(version.path)
        else:
            self._settling.see(version, now, complete=complete)

    def _leave_out(self, what: Ignored) -> None:
        if what in self._named or len(self._named) >= _MOST_NAMED:
            return
        self._named.add(what)
        path = os.path.join(self._folder, what.path) if what.path else self._folder  # noqa: PTH118
        self._say(f"left out {display_name(path)}: {what.reason}")
