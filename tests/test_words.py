"""Figures as sentences have them."""

from __future__ import annotations

import pytest

from twofold.words import counted, percent


@pytest.mark.parametrize(
    ("share", "text"), [(0.05, "5%"), (0.005, "0.5%"), (1 / 3, "33.3%"), (1.0, "100%"), (0.0, "0%")]
)
def test_a_share_has_the_digits_it_needs(share: float, text: str) -> None:
    assert percent(share) == text


@pytest.mark.parametrize(("number", "text"), [(0, "0 marks"), (1, "1 mark"), (2000, "2,000 marks")])
def test_one_of_a_thing_is_not_many(number: int, text: str) -> None:
    assert counted(number, "mark") == text
