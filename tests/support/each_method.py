"""Every registered method as a parameter of a test; those that train long in the slow tests."""

from __future__ import annotations

import pytest

from twofold.method_table import METHODS

__all__ = ["TRAINED", "each_method"]

TRAINED = (
    "paper",
    "paper_mmd",
    "paper_grl",
    "paper_few_shot",
    "align_all",
    "source_only",
    "oracle",
)
"""The paper's system and its variants."""

# The comparison systems, whose quick fits take seconds; and what differs from `paper` in one part.
_LONG = frozenset({"biost", "tsa", "ildr", "irad", "msra", "gnl"}) | (
    frozenset(TRAINED) - {"paper", "source_only"}
)

each_method = pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in _LONG else [])
        for name in METHODS.ids()
    ],
)
