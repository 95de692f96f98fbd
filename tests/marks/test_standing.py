"""Which marks stand, against replaying the lines one reviewer at a time."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import UsageError
from twofold.marks import Disagreement, Line, LineMark, standing


def lines(*said: tuple[str, str, LineMark]) -> list[Line]:
    return [Line(image, mark, reviewer=reviewer) for reviewer, image, mark in said]


def test_the_last_word_of_a_reviewer_counts() -> None:
    found = standing(
        lines(("A", "x", "normal"), ("A", "y", "unsure"), ("A", "x", "anomalous")),
    )
    assert found.marks == {"x": "anomalous", "y": "unsure"}
    assert found.n_unsure == 1
    assert not found.disagreements


def test_a_disagreement_is_listed_and_unsure_unless_told_otherwise() -> None:
    said = lines(
        ("A", "x", "normal"),
        ("B", "x", "anomalous"),
        ("A", "y", "normal"),
        ("B", "y", "unsure"),
        ("C", "x", "unsure"),
        ("A", "z", "normal"),
        ("B", "z", "normal"),
    )
    found = standing(said)
    assert found.marks == {"x": "unsure", "y": "normal", "z": "normal"}
    marks = {"A": "normal", "B": "anomalous", "C": "unsure"}
    assert found.disagreements == (Disagreement("x", marks),)  # type: ignore[arg-type]
    last = standing(said, disagreements="last")
    assert last.marks == {"x": "anomalous", "y": "normal", "z": "normal"}
    assert last.disagreements == found.disagreements
    np.testing.assert_array_equal(last.array(["z", "x", "other"]), [0.0, 1.0, np.nan])


def test_undo_is_of_one_reviewer_and_ends_a_disagreement() -> None:
    said = lines(
        ("A", "x", "normal"), ("B", "x", "anomalous"), ("B", "x", "undo"), ("B", "x", "undo")
    )
    assert standing(said).marks == {"x": "normal"}
    assert not standing(lines(("A", "x", "normal"), ("A", "x", "undo"))).marks


def test_an_unknown_rule_is_refused() -> None:
    with pytest.raises(UsageError, match="disagreements is 'unsure' or 'last', not 'first'"):
        standing([], disagreements="first")  # type: ignore[arg-type]
