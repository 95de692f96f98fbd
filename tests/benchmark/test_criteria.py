"""Criteria without labels, against slow references."""

from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.benchmark.criteria import (
    effective_rank,
    neighbourhood_density,
    proxy_distance,
    stability,
)
from twofold.errors import NotEnoughImagesError

Array = NDArray[np.float64]


def rows(n: int, d: int = 6, seed: int = 0) -> Array:
    return np.random.default_rng(seed).normal(size=(n, d))


def slow_density(features: Array, temperature: float) -> float:
    """Saito et al. 2021, pair by pair."""
    total = 0.0
    for i, one in enumerate(features):
        terms = []
        for j, other in enumerate(features):
            if i != j:
                cosine = one @ other / np.linalg.norm(one) / np.linalg.norm(other)
                terms.append(math.exp(cosine / temperature))
        for term in terms:
            share = term / sum(terms)
            total -= share * math.log(share)
    return total / len(features)


@pytest.mark.parametrize("temperature", [0.05, 0.5])
def test_the_density_is_that_of_the_double_loop(temperature: float) -> None:
    features = rows(12)
    found = neighbourhood_density(features, temperature)
    assert found == pytest.approx(slow_density(features, temperature), rel=1e-9)


def test_the_density_is_largest_where_all_images_are_alike() -> None:
    assert neighbourhood_density(np.ones((9, 4))) == pytest.approx(math.log(8))
    assert neighbourhood_density(rows(9)) < math.log(8)


def test_lengths_do_not_count() -> None:
    features = rows(10)
    longer = features * np.arange(1, 11)[:, None]
    assert neighbourhood_density(longer) == pytest.approx(neighbourhood_density(features))
    assert effective_rank(longer) == pytest.approx(effective_rank(features))


def test_the_rank_counts_equal_directions() -> None:
    assert effective_rank(np.eye(5)) == pytest.approx(5)
    assert effective_rank(np.ones((5, 3))) == pytest.approx(1)
    assert 1 < effective_rank(np.ones((40, 3)) + 0.1 * rows(40, 3)) < 2


def test_a_line_tells_shifted_domains_apart_and_not_equal_ones() -> None:
    assert proxy_distance(rows(60), rows(60, seed=1) + 8) == pytest.approx(2)
    assert abs(proxy_distance(rows(300), rows(300, seed=1))) < 0.3


def test_the_smaller_domain_counts_as_much_as_the_larger() -> None:
    """Whoever calls everything source is no better than a guess."""
    assert proxy_distance(rows(200), rows(10, seed=1)) < 0.8


def test_stability_is_one_for_equal_orders() -> None:
    scores = np.arange(7.0)
    assert stability(scores, scores**3) == pytest.approx(1)
    assert stability(scores, -scores) == pytest.approx(-1)
    assert stability(scores, np.ones(7)) == 0


def test_too_few_images_are_named() -> None:
    with pytest.raises(NotEnoughImagesError, match="at least 2 images, got 1"):
        neighbourhood_density(rows(1))
    with pytest.raises(NotEnoughImagesError, match="at least 5 images of each domain, got 4"):
        proxy_distance(rows(9), rows(4))
