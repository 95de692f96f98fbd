"""Rankings against counting pairs, and the ends of a ranking."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.evidence.ranking import extremes, rank_agreement


def tau_b(a: list[int], b: list[int]) -> float:
    """Kendall's tau-b by counting all pairs."""
    difference, tied_a, tied_b, pairs = 0, 0, 0, 0
    for i, j in itertools.combinations(range(len(a)), 2):
        product = (a[i] - a[j]) * (b[i] - b[j])
        difference += (product > 0) - (product < 0)
        tied_a += a[i] == a[j]
        tied_b += b[i] == b[j]
        pairs += 1
    return difference / math.sqrt((pairs - tied_a) * (pairs - tied_b))


def mean_ranks(values: list[int]) -> list[float]:
    return [
        sum(other < value for other in values) + sum(other == value for other in values) / 2
        for value in values
    ]


@pytest.mark.parametrize("seed", range(5))
def test_equals_counting(seed: int) -> None:
    rng = np.random.default_rng(seed)
    a, b = rng.integers(0, 12, size=30), rng.integers(0, 12, size=30)
    found = rank_agreement(a.astype(float), b.astype(float))
    assert found.kendall == pytest.approx(tau_b(a.tolist(), b.tolist()))
    rho = np.corrcoef(mean_ranks(a.tolist()), mean_ranks(b.tolist()))[0, 1]
    assert found.spearman == pytest.approx(rho)
    tops = [sorted(range(30), key=lambda i: (-values[i], i))[:3] for values in (a, b)]
    assert found.top_overlap == pytest.approx(len(set(tops[0]) & set(tops[1])) / 3)
    assert found.chance_overlap == pytest.approx(0.1)


def test_only_the_order_counts() -> None:
    scores = np.random.default_rng(0).normal(size=40)
    same = rank_agreement(scores, np.exp(scores))
    assert [same.kendall, same.spearman] == pytest.approx([1.0, 1.0])
    assert (same.top_overlap, same.chance_overlap) == (1.0, 0.1)
    opposite = rank_agreement(scores, -scores)
    assert [opposite.kendall, opposite.spearman] == pytest.approx([-1.0, -1.0])
    assert opposite.top_overlap == 0.0


def test_unrelated_rankings_overlap_by_chance() -> None:
    rng = np.random.default_rng(0)
    found = [rank_agreement(rng.normal(size=55), rng.normal(size=55)) for _ in range(200)]
    assert np.mean([one.top_overlap for one in found]) == pytest.approx(6 / 55, abs=0.03)
    assert found[0].chance_overlap == 6 / 55
    assert np.mean([one.kendall for one in found]) == pytest.approx(0.0, abs=0.03)


def test_equal_scores_rank_nothing() -> None:
    found = rank_agreement(np.ones(20), np.arange(20.0))
    assert (found.kendall, found.spearman) == (0.0, 0.0)
    assert rank_agreement(np.array([0.0, 1.0]), np.array([2.0, 3.0])).kendall == 1.0


def test_images_without_a_score_are_left_out() -> None:
    a, b = np.array([1.0, np.nan, 2.0, 3.0]), np.array([1.0, 9.0, 2.0, np.nan])
    assert rank_agreement(a, b) == rank_agreement(a[[0, 2]], b[[0, 2]])
    with pytest.raises(NotEnoughImagesError, match="at least 2 images, got 1"):
        rank_agreement(a[:2], b[:2])
    with pytest.raises(ConfigError, match="4 and 3"):
        rank_agreement(a, b[:3])


def test_extremes() -> None:
    scores = np.array([2.0, 0.5, np.nan, 9.0, 0.5, 9.0])
    assert extremes(scores, list("abcdef"), 2) == (("b", "e"), ("d", "f"))
    assert extremes(scores, list("abcdef"), 9) == (tuple("beadf"), tuple("dfabe"))
    assert extremes(np.empty(0), [], 1) == ((), ())
    with pytest.raises(ConfigError, match="k must be"):
        extremes(scores, list("abcdef"), 0)
    with pytest.raises(ConfigError, match="5 for 6"):
        extremes(scores, list("abcde"), 1)
