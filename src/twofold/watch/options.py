"""How a folder is watched, and what one run has done."""

from __future__ import annotations

import math
from dataclasses import dataclass

from twofold.errors import UsageError
from twofold.watch.webhook import Webhook

__all__ = ["DEFAULT_BATCH", "DEFAULT_POLL", "DEFAULT_SETTLE", "Options", "Summary"]

DEFAULT_POLL = 5.0
"""Seconds between looks at a folder of whose files the system does not tell."""
DEFAULT_SETTLE = 2.0
"""Seconds: FAT, and some network folders with it, keep the times of files to two seconds."""
DEFAULT_BATCH = 64
"""Images: half a second's or a second's work, which a kill at worst does in vain."""


@dataclass(frozen=True)
class Options:
    """How a folder is watched.

    Attributes:
        only_new: what lies there at the very first start is never scored.
        move: files go into ok/, ng/ and bad/ once they have their score.
        once: score what is there, and end.
        poll: seconds between looks; None is told of files where the folder is local, and else
            looks every 5 seconds.
        events: insist on being told.
        settle: seconds for which a file stays as it is before it counts as complete.
        batch: images scored at a time, at most.
        webhook: whom to tell.
    """

    only_new: bool = False
    move: bool = False
    once: bool = False
    poll: float | None = None
    events: bool = False
    settle: float = DEFAULT_SETTLE
    batch: int = DEFAULT_BATCH
    webhook: Webhook | None = None

    def __post_init__(self) -> None:
        """Check the numbers; raises UsageError."""
        if self.poll is not None and not (0 < self.poll < math.inf):
            raise UsageError("--poll: give seconds above 0")
        if not 0 <= self.settle < math.inf:
            raise UsageError("--settle: give seconds, 0 or more")
        if self.batch < 1:
            raise UsageError("--batch: give a whole number of at least 1")
        if self.events and self.poll is not None:
            raise UsageError("--events and --poll: give one of them")


@dataclass
class Summary:
    """What one run has done.

    Attributes:
        scored: rows it added.
        anomalous: of these.
        unusable: of these.
        results: rows in all, of earlier runs too.
        still_written: files that were not complete at the end.
        messages_waiting: that have not arrived; None without a webhook.
        drift: none, anomalies or domain; None where it is not known.
    """

    scored: int = 0
    anomalous: int = 0
    unusable: int = 0
    results: int = 0
    still_written: int = 0
    messages_waiting: int | None = None
    drift: str | None = None
