"""The one class a user needs, what it returns, and its file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from twofold.detector.detector import Detector, DetectorProgress
from twofold.detector.scores import Scores

if TYPE_CHECKING:
    from twofold.detector.refitting import Changes

__all__ = ["Changes", "Detector", "DetectorProgress", "Scores"]


def __getattr__(name: str) -> Any:
    """Import :class:`Changes`, and with it what learns from marks, when it is first asked for."""
    if name == "Changes":
        from twofold.detector.refitting import Changes  # noqa: PLC0415

        return Changes
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
