"""Coroutines in tests: a browser of other tests may keep this thread's event loop running."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

__all__ = ["elsewhere", "run"]

T = TypeVar("T")


def run(coroutine: Coroutine[Any, Any, T]) -> T:
    """What a coroutine returns, by a loop of its own in a thread of its own."""
    return elsewhere(lambda: asyncio.run(coroutine))


def elsewhere(call: Callable[[], T]) -> T:
    """What a call returns or raises that runs a loop itself, in a thread of its own."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(call).result()
