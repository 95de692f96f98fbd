"""Options that make no sense."""

from __future__ import annotations

import math
from typing import Any

import pytest

from twofold.errors import UsageError
from twofold.watch import Options


@pytest.mark.parametrize(
    ("given", "word"),
    [
        *(({"poll": value}, "--poll") for value in (0.0, -1.0, math.nan, math.inf)),
        *(({"settle": value}, "--settle") for value in (-0.1, math.nan, math.inf)),
        *(({"batch": value}, "--batch") for value in (0, -1)),
        ({"poll": 1.0, "events": True}, "give one of them"),
    ],
)
def test_they_are_refused_by_name(given: dict[str, Any], word: str) -> None:
    with pytest.raises(UsageError, match=word):
        Options(**given)


def test_the_smallest_are_allowed() -> None:
    assert Options(settle=0.0, batch=1, poll=0.01).settle == 0.0
