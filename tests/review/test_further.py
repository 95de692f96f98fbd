"""The sentence on further marks."""

from __future__ import annotations

import re

import numpy as np
import pytest
from tests.support.review import scores_of

from twofold.marks import draw_design, estimate
from twofold.review.further import further_sentence, next_width


@pytest.mark.parametrize(
    ("half_width", "aim"),
    [(0.5, 0.2), (0.25, 0.2), (0.2, 0.15), (0.1, 0.07), (0.04, 0.03), (0.012, None), (0.0, None)],
)
def test_the_next_width_is_one_that_a_person_would_name(
    half_width: float, aim: float | None
) -> None:
    assert next_width(half_width) == aim


def sentence(n_marked: int, *, all_normal: bool = False) -> str | None:
    """Of 400 images, of which the last tenth are anomalies."""
    scores, marks = scores_of(400), np.full(400, np.nan)
    design = draw_design(scores, 1.5, 0)
    asked = design.order[:n_marked]
    marks[asked] = 0.0 if all_normal else asked >= 360
    found = estimate(scores, 1.5, design.strata, marks)
    return further_sentence(scores, 1.5, design, marks, found)


def test_marks_as_many_as_it_says_narrow_the_interval_to_about_that() -> None:
    text = sentence(40)
    assert text is not None
    found = re.fullmatch(
        r"(\d+) more marks would narrow the detection rate to about ± (\d+) points\.", text
    )
    assert found
    scores, marks = scores_of(400), np.full(400, np.nan)
    design = draw_design(scores, 1.5, 0)
    asked = design.order[: 40 + int(found[1])]
    marks[asked] = asked >= 360
    rate = estimate(scores, 1.5, design.strata, marks).detection_rate
    assert (rate.high - rate.low) / 2 == pytest.approx(int(found[2]) / 100, rel=0.5)


def test_where_nothing_can_be_foreseen_it_says_so_or_nothing() -> None:
    assert sentence(0) is None
    assert sentence(400) is None
    assert sentence(20, all_normal=True) in (
        "No anomaly is marked yet, so nothing is known of the detection rate.",
    )
