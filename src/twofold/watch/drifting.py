"""Whether the domain moves while a folder is watched; goes on after a restart."""

from __future__ import annotations

import numpy as np

from twofold.detector import Detector
from twofold.drift import KIND_WORDS, Drift, DriftMonitor
from twofold.errors import ConfigError, NotEnoughImagesError, UsageError
from twofold.watch.journal import Journal, Result

__all__ = ["DriftWatch"]

# Images whose numbers are gone through again at a start, at most: a second or so. What is known
# of all before them is kept as a whole.
_KEEP_EVERY = 10_000
_DOCUMENT = "drift"


class DriftWatch:
    """Takes each result into account, in the order in which they enter the journal.

    Args:
        detector: fitted; a model that does not know what its target was like watches nothing.
        journal: that keeps what is known, and the numbers of the images since.

    Attributes:
        note: what a user should know: why nothing is watched, or why it begins anew.
    """

    def __init__(self, detector: Detector, journal: Journal) -> None:
        self._journal = journal
        self._monitor: DriftMonitor | None = None
        self._fresh, self.note = 0, ""
        kept = journal.setting(_DOCUMENT)
        try:
            try:
                document = None if kept is None else kept.encode()
                self._monitor = detector.drift_monitor(document=document, name="the journal")
            except ConfigError as error:
                self.note = f"drift is watched anew: {error}"
                self._monitor = detector.drift_monitor()
        except (UsageError, NotEnoughImagesError) as error:
            self.note = f"drift is not watched: {error}"
            return
        for numbers in journal.drift_numbers(self._monitor.n_features):
            self._monitor.update(numbers)
            self._fresh += len(numbers)
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
        self._fresh += len(numbers)
        fresh = [kind for kind in found.warnings if kind not in self._warned]
        self._warned.update(fresh)
        return [
            f"drift: {KIND_WORDS[kind]} (image {found.warnings[kind].at:,}, since image "
            f"{found.warnings[kind].change.since + 1:,}). {found.advice()}"
            for kind in fresh
        ]

    def keep(self) -> None:
        """Keep what is known as a whole once many images have come; all are in the journal."""
        if self._monitor is None or self._fresh < _KEEP_EVERY:
            return
        document = self._monitor.document()
        if document is not None:
            self._journal.keep_drift(_DOCUMENT, document.decode())
            self._fresh = 0
