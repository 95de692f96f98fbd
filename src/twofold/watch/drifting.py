"""Whether the domain moves while a folder is watched; goes on after a restart."""

from __future__ import annotations

import numpy as np

from twofold.detector import Detector
from twofold.drift import Drift, DriftMonitor
from twofold.errors import NotEnoughImagesError, UsageError
from twofold.watch.journal import Journal, Result

__all__ = ["DriftWatch"]

_WHAT = {
    "anomalies": "more images are odd than at the fit",
    "domain": "the domain has moved",
}


class DriftWatch:
    """Takes each result into account, in the order in which they enter the journal.

    Args:
        detector: fitted; a model that does not know what its target was like watches nothing.
        journal: with the numbers of the images scored before, which are gone through again.
    """

    def __init__(self, detector: Detector, journal: Journal) -> None:
        self._monitor: DriftMonitor | None = None
        try:
            self._monitor = detector.drift_monitor()
        except (UsageError, NotEnoughImagesError) as error:
            self.unavailable: str | None = str(error)
            return
        self.unavailable = None
        for numbers in journal.drift_numbers(self._monitor.n_features):
            self._monitor.update(numbers)
        self._warned = set(self._monitor.current().warnings)

    def current(self) -> Drift | None:
        """What is known by now; None where nothing is watched."""
        return None if self._monitor is None else self._monitor.current()

    def update(self, results: list[Result]) -> list[str]:
        """Take more results into account; one line for each new warning."""
        numbers = [result.numbers for result in results if result.row["problem"] is None]
        if self._monitor is None or not numbers:
            return []
        found = self._monitor.update(np.stack(numbers))
        fresh = [kind for kind in found.warnings if kind not in self._warned]
        self._warned.update(fresh)
        return [
            f"drift: {_WHAT[kind]} (image {found.warnings[kind].at:,}, since image "
            f"{found.warnings[kind].change.since + 1:,}). {found.advice()}"
            for kind in fresh
        ]
