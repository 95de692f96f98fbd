"""The smallest visible flaw."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import binomtest

from twofold.errors import UsageError
from twofold.evidence import visible_flaws

SHARES, SIDES = np.array([0.001, 0.01, 0.05]), np.array([7.1, 22.6, 50.6])


def found(*counts: int, n: int = 20):  # type: ignore[no-untyped-def]
    scores = np.zeros((len(counts), n))
    for row, count in zip(scores, counts, strict=True):
        row[:count] = 2.0
    return visible_flaws(scores, 1.0, shares=SHARES, sides=SIDES, false_alarm_rate=0.05)


@pytest.mark.parametrize("counts", [(0, 7, 20), (1, 19, 20), (20, 20, 20), (0, 0, 0)], ids=str)
def test_shares_and_intervals_are_those_of_scipy(counts: tuple[int, int, int]) -> None:
    flaws = found(*counts)
    assert flaws.n_images == 20
    assert flaws.flagged == tuple(count / 20 for count in counts)
    for count, low, high in zip(counts, flaws.low, flaws.high, strict=True):
        expected = binomtest(count, 20).proportion_ci(0.95, method="exact")
        assert (low, high) == pytest.approx((expected.low, expected.high))


@pytest.mark.parametrize(
    ("counts", "text"),
    [
        (
            (4, 18, 20),
            "made-up flaws of 23 x 23 px and more are flagged in 9 of 10 cases or more; those of "
            "7 x 7 px in 4 of 20",
        ),
        ((10, 18, 20), "made-up flaws of 23 x 23 px and more are flagged in 9 of 10 cases or more"),
        ((20, 20, 20), "made-up flaws of 7 x 7 px and more are flagged in 9 of 10 cases or more"),
        # A smaller size that is seen by chance while a larger one is not, is no smallest size.
        (
            (20, 5, 20),
            "made-up flaws of 51 x 51 px and more are flagged in 9 of 10 cases or more; those of "
            "23 x 23 px in 5 of 20",
        ),
        (
            (0, 3, 17),
            "made-up flaws of no size are flagged in 9 of 10 cases; those of 51 x 51 px in 17 of "
            "20",
        ),
    ],
    ids=str,
)
def test_in_one_sentence(counts: tuple[int, int, int], text: str) -> None:
    assert found(*counts).sentence() == text


def test_a_score_at_the_threshold_is_not_flagged() -> None:
    flaws = visible_flaws(np.ones((3, 4)), 1.0, shares=SHARES, sides=SIDES, false_alarm_rate=0.1)
    assert flaws.flagged == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("shape", [(3, 0), (2, 5), (3,)], ids=str)
def test_shapes_that_do_not_belong_together(shape: tuple[int, ...]) -> None:
    with pytest.raises(UsageError):
        visible_flaws(np.ones(shape), 0.0, shares=SHARES, sides=SIDES, false_alarm_rate=0.1)
