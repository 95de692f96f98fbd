"""Silencing Pillow's warnings in one thread while it decodes, and nowhere else.

`warnings.catch_warnings` swaps a list that the whole process shares, so threads that decode at
the same time would undo each other's swap. A filter whose matcher answers for the calling thread
alone can stay in that list for good: outside `quiet` it matches nothing.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final, cast

__all__ = ["quiet"]


class _Matcher(threading.local):
    """Stands where a filter has its compiled message pattern; matches while its thread decodes."""

    active = False
    # Others copy the filters of the process as texts (scikit-learn's workers): the copy matches
    # nothing.
    pattern = "(?!)"

    def match(self, _text: str) -> bool:
        return self.active


_MATCHER: Final = _Matcher()
_FILTER: Final = ("ignore", _MATCHER, Warning, None, 0)
_LOCK: Final = threading.Lock()


def _come_first() -> None:
    # The first filter that matches decides. Whoever set filters since the last image stands in
    # front of ours now, or has dropped it. An "ignore" leaves no trace in the registries of
    # warnings already shown, so nothing else has to learn of the change.
    filters = cast("list[Any]", warnings.filters)
    if filters and filters[0] is _FILTER:
        return
    with _LOCK:
        filters.insert(0, _FILTER)
        for i in range(len(filters) - 1, 0, -1):
            if filters[i] is _FILTER:
                del filters[i]


@contextmanager
def quiet() -> Iterator[None]:
    """Drop every warning raised in the calling thread while the block runs."""
    _come_first()
    _MATCHER.active = True
    try:
        yield
    finally:
        _MATCHER.active = False
