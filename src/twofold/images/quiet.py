"""Silencing warnings in one thread while a library works, and nowhere else.

`warnings.catch_warnings` swaps a list that the whole process shares, so threads that do so at
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
    """Stands where a filter has its message pattern; matches while its thread is inside."""

    depth = 0
    # Others copy the filters of the process as texts (scikit-learn's workers): the copy matches
    # nothing.
    pattern = "(?!)"

    def match(self, _text: str) -> bool:
        return self.depth > 0


class _Filter:
    """The one filter of a category, which stays in the process for good."""

    def __init__(self, category: type[Warning]) -> None:
        self.matcher = _Matcher()
        self.entry = ("ignore", self.matcher, category, None, 0)

    def come_first(self) -> None:
        """Stand before all filters that were set since, or that dropped it.

        The first filter that matches decides. An "ignore" leaves no trace in the registries of
        warnings already shown, so nothing else has to learn of the change.
        """
        filters = cast("list[Any]", warnings.filters)
        if filters and filters[0] is self.entry:
            return
        with _LOCK:
            filters.insert(0, self.entry)
            for i in range(len(filters) - 1, 0, -1):
                if filters[i] is self.entry:
                    del filters[i]


_LOCK: Final = threading.Lock()
_FILTERS: Final[dict[type[Warning], _Filter]] = {}


@contextmanager
def quiet(category: type[Warning] = Warning) -> Iterator[None]:
    """Drop every warning of a category raised in the calling thread while the block runs."""
    known = _FILTERS.get(category)
    if known is None:
        known = _FILTERS.setdefault(category, _Filter(category))
    known.come_first()
    known.matcher.depth += 1
    try:
        yield
    finally:
        known.matcher.depth -= 1
