"""Whether the images that a model is sent still come from its target."""

from __future__ import annotations

import threading
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from twofold.detector import Detector
from twofold.errors import NotEnoughImagesError, UsageError

if TYPE_CHECKING:
    from twofold.detector.portions import Portion
    from twofold.drift import Drift

__all__ = ["Watch"]

# Images that are taken into account together: one at a time costs as much as these do.
_TOGETHER: Final = 32


class Watch:
    """A sequential test that goes on with the images of a model; safe in several threads.

    Args:
        detector: of the model.
        false_warnings: probability of any warning, ever, on images like those of the fit.

    Attributes:
        reason: why there is no test, or None.
    """

    def __init__(self, detector: Detector, false_warnings: float) -> None:
        self._detector, self._lock = detector, threading.Lock()
        self._new: list[NDArray[np.float64]] = []
        self._found: Drift | None = None
        self.reason: str | None = None
        try:
            self._monitor = detector.drift_monitor(false_warnings)
        except (UsageError, NotEnoughImagesError) as error:
            self.reason = str(error)
        else:
            self._found = self._monitor.current()

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
        return asdict(found) | {"advice": found.advice()}

    def _update(self) -> None:
        self._found = self._monitor.update(np.concatenate(self._new))
        self._new.clear()
