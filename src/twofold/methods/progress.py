"""Progress of a fit in steps."""

from __future__ import annotations

from twofold.methods.base import Progress

__all__ = ["Steps"]


class Steps:
    """Counts the steps of a fit for whoever listens."""

    def __init__(self, progress: Progress | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def step(self) -> None:
        """One more is done."""
        self._done += 1
        if self._progress is not None:
            self._progress(self._done, self._total)

    def finish(self) -> None:
        """Nothing is left to do."""
        if self._done < self._total:
            self._done = self._total - 1
            self.step()
