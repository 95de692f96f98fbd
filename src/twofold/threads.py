"""One thread for many small products."""

from __future__ import annotations

from contextlib import AbstractContextManager
from functools import lru_cache
from typing import Any

from threadpoolctl import ThreadpoolController

__all__ = ["one_thread"]


@lru_cache(maxsize=1)
def _controller() -> ThreadpoolController:
    # Looking for the libraries takes milliseconds, so it is done once.
    return ThreadpoolController()


def one_thread() -> AbstractContextManager[Any]:
    """Linear algebra on a single thread for as long as the context lasts.

    Products of a few hundred rows gain little from a second thread, and on a busy machine threads
    that wait for each other make them 10 to 60 times slower.
    """
    context: AbstractContextManager[Any] = _controller().limit(limits=1, user_api="blas")
    return context
