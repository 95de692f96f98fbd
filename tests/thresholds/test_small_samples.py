"""Thresholds and estimates on a few scores of every degenerate kind: in range, or a named error."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.small_samples import KINDS, SIZES, STATES, end, finite, partner, sample, within

from twofold.errors import NotEnoughImagesError
from twofold.thresholds import (
    Contamination,
    benjamini_hochberg,
    conformal_quantile,
    estimate_contamination,
    fit_threshold,
    images_needed,
    lower_spread,
    p_values,
    percentiles,
    pool_contamination,
    presumed_normal,
    upper_tail,
)

Array = NDArray[np.float64]


def scores_of(kind: str, states: range) -> Iterator[tuple[Array, Array, int]]:
    """Scores as they come, positive ones and squares; scores to compare with; a random state."""
    for n in SIZES:
        for state in states:
            values = sample(kind, n, state)[:, 0]
            reference = np.sort(partner(kind, 12, state)[:, 0])
            yield values, reference, state
            yield np.abs(values), np.abs(reference)[:0], state
            yield np.square(values), np.sort(np.square(reference)), state


def plausible(found: Contamination | None) -> bool:
    """In range and in order, if there is any."""
    return found is None or (
        within(0, 1, found.low, found.share, found.high) and found.low <= found.share <= found.high
    )


@KINDS
@STATES
def test_thresholds(kind: str, states: range) -> None:
    for scores, _, state in scores_of(kind, states):
        for rate in (0.5, 0.2, 0.05):
            value = end(conformal_quantile, scores, rate)
            assert (value is None) == (len(scores) < images_needed(rate))
            assert value is None or finite(value)
        for fitted in (
            end(fit_threshold, scores, 0.2, "target", random_state=state),
            end(fit_threshold, scores, 0.2, "source"),
        ):
            if fitted is not None:
                threshold, presumed = fitted
                assert finite(threshold.value, presumed)
                assert within(0, 1, threshold.presumed_share, threshold.rate_bound)
                assert within(0, 1, threshold.contamination)


@KINDS
@STATES
def test_estimates(kind: str, states: range) -> None:
    for scores, reference, state in scores_of(kind, states):
        n = len(scores)
        tail = end(upper_tail, scores)
        spread = end(lower_spread, scores)
        assert (tail is None) == (spread is None) == (n == 0)
        assert spread is None or (finite(spread) and spread[1] >= 0)
        assert tail is None or within(1, math.inf, tail)
        for presumed in (presumed_normal(scores), presumed_normal(scores, tail or 1.0)):
            assert presumed.shape == (n,)
            assert presumed.sum() >= n / 2
        few: dict[str, Any] = {"bootstraps": 3, "random_state": state}
        assert plausible(pool_contamination(scores, tail=tail or 1.0, random_state=state))
        assert plausible(end(estimate_contamination, scores, **few))
        assert plausible(end(estimate_contamination, scores, reference=reference, **few))


@KINDS
@STATES
def test_places_among_known_scores(kind: str, states: range) -> None:
    for scores, reference, _ in scores_of(kind, states):
        for known in (reference, np.sort(scores)):
            shares = end(percentiles, scores, known)
            chances = end(p_values, scores, known)
            assert (shares is None) == (chances is None) == (len(known) == 0)
            assert shares is None or within(0, 100, shares)
            if chances is not None:
                assert within(0, 1, chances)
                assert benjamini_hochberg(chances, 0.1).shape == scores.shape


@pytest.mark.parametrize("rate", [5e-324, 1e-320, 1e-300, 1e-9])
def test_a_rate_that_no_set_of_images_reaches(rate: float) -> None:
    assert images_needed(rate) >= 10**8
    with pytest.raises(NotEnoughImagesError, match="needs at least"):
        conformal_quantile(np.arange(20.0), rate)


def test_no_image_allows_no_rate() -> None:
    """A rate of 1 is refused, so it is not advised."""
    for use in (
        lambda: conformal_quantile(np.empty(0), 0.5),
        lambda: fit_threshold(np.empty(0), 0.5, "target"),
    ):
        with pytest.raises(NotEnoughImagesError, match=r"give more images$"):
            use()
