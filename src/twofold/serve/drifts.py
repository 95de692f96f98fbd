"""Whether the images that a model is sent still come from its target."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from twofold.detector import Detector
from twofold.errors import NotEnoughImagesError, UsageError
from twofold.serve.states import State

if TYPE_CHECKING:
    from twofold.detector.portions import Portion
    from twofold.drift import Drift, DriftMonitor

__all__ = ["Watch"]

# Images that are taken into account together: one at a time costs as much as these do.
_TOGETHER: Final = 32
# Images after which a file is written again: some tens of milliseconds, for half a minute's work.
_KEEP_EVERY: Final = 1000


class Watch:
    """A sequential test that goes on with the images of a model; safe in several threads.

    Args:
        detector: of the model.
        false_warnings: probability of any warning, ever, on images like those of the fit.
        state: what an earlier test knew, and where to keep what this one does; None keeps nothing.

    Attributes:
        reason: why there is no test, or None.
        note: why it begins anew or cannot be kept; empty where there is nothing to say.
    """

    def __init__(
        self, detector: Detector, false_warnings: float, state: State | None = None
    ) -> None:
        self._detector, self._lock, self._state = detector, threading.Lock(), state
        self._new: list[NDArray[np.float64]] = []
        self._unkept = 0
        self._found: Drift | None = None
        self.reason: str | None = None
        self.note = ""
        try:
            self._monitor = self._begin(false_warnings)
        except (UsageError, NotEnoughImagesError) as error:
            self.reason = str(error)
        else:
            self._found = self._monitor.current()

    def _begin(self, false_warnings: float) -> DriftMonitor:
        """Go on with what was kept, or anew."""
        begin, state = self._detector.drift_monitor, self._state
        try:
            if state is not None and (document := state.read()) is not None:
                return begin(false_warnings, document=document, name=str(state.path))
        except (UsageError, OSError) as error:
            self.note = f"drift begins anew: {error}"
        return begin(false_warnings)

    def __call__(self, portion: Portion) -> None:
        """Take images that were scored into account."""
        if self.reason is not None:
            return
        numbers = self._detector.drift_numbers(portion)
        with self._lock:
            self._new.append(numbers)
            if sum(map(len, self._new)) >= _TOGETHER:
                self._update()

    def current(self) -> Drift | None:
        """What is known by now; None without a test."""
        with self._lock:
            if self._new:
                self._update()
            return self._found

    def described(self) -> dict[str, Any]:
        """The same in plain values, with what to do about it."""
        found = self.current()
        if found is None:
            return {"reason": self.reason}
        noted = {"note": self.note} if self.note else {}
        return asdict(found) | {"advice": found.advice()} | noted

    def close(self) -> None:
        """Keep what is known; nothing comes after."""
        self.current()
        with self._lock:
            if self._state is not None:
                self._keep(self._state)
                self._state.close()
                self._state = None

    def _update(self) -> None:
        self._found = self._monitor.update(np.concatenate(self._new))
        self._unkept += sum(map(len, self._new))
        self._new.clear()
        if self._state is not None and self._unkept >= _KEEP_EVERY:
            self._keep(self._state)

    def _keep(self, state: State) -> None:
        document = None if self.reason is not None else self._monitor.document()
        if document is None or not self._unkept:
            return
        try:
            state.write(document)
        except OSError as error:
            self.note = f"drift is not kept: {error}"
        else:
            self._unkept = 0
