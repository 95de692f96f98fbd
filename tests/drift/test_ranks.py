"""How high a score stands among all before it."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest

from twofold.drift import UPPER_SHARES, Ranks, Wealth


def slow(fit: list[float], stream: list[float], edges: list[float] | None = None) -> list[float]:
    """By counting; with edges, scores that none of them separates are equal."""

    def place(score: float) -> float:
        return score if edges is None else sum(edge <= score for edge in edges)

    seen, found = [place(score) for score in fit], []
    for score in stream:
        seen.append(place(score))
        found.append(sum(one >= seen[-1] for one in seen) / len(seen))
    return found


@pytest.mark.parametrize("decimals", [0, 1, 6])
def test_shares_are_those_of_a_count(decimals: int) -> None:
    rng = np.random.default_rng(decimals)
    fit, stream = (np.round(rng.normal(size=n), decimals) for n in (25, 700))
    ranks, shares = Ranks.of(fit).after(stream)
    np.testing.assert_allclose(shares, slow(fit.tolist(), stream.tolist(), sorted(set(fit))))
    assert ranks.counts.sum() == 725
    # What the edges do not tell apart can only make a share larger.
    assert (shares >= np.array(slow(fit.tolist(), stream.tolist())) - 1e-12).all()


def test_it_does_not_depend_on_how_many_images_come_at_a_time() -> None:
    rng = np.random.default_rng(1)
    fit, stream = rng.normal(size=60), rng.normal(size=600)
    whole, shares = Ranks.of(fit).after(stream)
    ranks, parts = Ranks.of(fit), []
    for some in np.split(stream, [1, 1, 5, 300, 599]):
        ranks, found = ranks.after(some)
        parts.append(found)
    np.testing.assert_array_equal(np.concatenate(parts), shares)
    np.testing.assert_array_equal(ranks.counts, whole.counts)


@pytest.mark.parametrize("values", [(1, 2, 3, 4, 5, 6), (1, 1, 2, 2, 3, 3), (1, 1, 1, 1, 1, 9)])
def test_nobody_gains_as_long_as_every_order_is_as_likely(values: tuple[float, ...]) -> None:
    """The mean wealth over all orders of six scores, three of them of the fit, is at most 1."""
    shares = np.array(UPPER_SHARES)
    wealths = []
    for order in itertools.permutations(values):
        known, new = np.array(order[:3], dtype=float), np.array(order[3:], dtype=float)
        _, as_high = Ranks.of(known).after(new)
        inside = as_high[:, None] > shares
        _, logs = Wealth.at_start(3).after(inside, 1 - shares, np.full(3, 1 / 3))
        wealths.append([math.exp(log) for log in logs])
    assert (np.mean(wealths, axis=0) <= 1 + 1e-12).all()


def test_the_share_of_high_ranks_is_as_stated_however_few_images_the_fit_has() -> None:
    hits = np.zeros(len(UPPER_SHARES))
    for seed in range(400):
        rng = np.random.default_rng(seed)
        _, as_high = Ranks.of(rng.standard_t(2, size=20)).after(rng.standard_t(2, size=50))
        hits += (as_high[:, None] <= np.array(UPPER_SHARES)).mean(axis=0)
    assert (hits / 400 <= np.array(UPPER_SHARES) + 0.005).all()
    assert hits[0] / 400 > 0.4
