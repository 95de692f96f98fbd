"""Ending on request instead of in the middle of something."""

from __future__ import annotations

import signal
from collections.abc import Callable
from contextlib import AbstractContextManager

from twofold.signals import on_signals

__all__ = ["stopping"]


def stopping(stop: Callable[[], None]) -> AbstractContextManager[None]:
    """Within the block SIGINT and SIGTERM call ``stop``; a second one does what it usually does."""
    return on_signals(dict.fromkeys((signal.SIGINT, signal.SIGTERM), stop), once=True)
