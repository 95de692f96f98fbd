"""The wealth of bets against "as many inside as before"."""

from __future__ import annotations

import itertools
import math

import numpy as np

from twofold.drift import Wealth, alternatives, kept_for_later

LEAST = np.array([0.3, 0.6, 0.85])
PARTS = np.array([0.5, 0.3, 0.2])


def images(n: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((n, 3)) < [0.4, 0.5, 0.8]


def slow(inside: np.ndarray) -> list[float]:
    """Every bet by itself: one for each region, alternative and start."""
    shares = alternatives(LEAST)
    found = []
    for t in range(1, len(inside) + 1):
        left = 1 / (1 + math.log(1 + t))
        total = 0.0
        for start in range(t):
            weight = 1 / (1 + math.log(1 + start)) - 1 / (1 + math.log(2 + start))
            for region, row in enumerate(shares):
                for share in row:
                    bet = 1.0
                    for image in inside[start:t, region]:
                        least = LEAST[region]
                        bet *= share / least if image else (1 - share) / (1 - least)
                    total += weight * bet * PARTS[region] / len(row)
        found.append(math.log(left + total))
    return found


def test_the_wealth_is_that_of_every_bet_by_itself() -> None:
    inside = images(40)
    wealth, logs = Wealth.at_start(3).after(inside, LEAST, PARTS)
    np.testing.assert_allclose(logs, slow(inside), rtol=1e-10)
    assert wealth.seen == 40


def test_it_does_not_depend_on_how_many_images_come_at_a_time() -> None:
    inside = images(700, seed=1)
    _, whole = Wealth.at_start(3).after(inside, LEAST, PARTS)
    wealth, parts = Wealth.at_start(3), []
    for some in np.split(inside, [1, 1, 5, 300, 699]):
        wealth, logs = wealth.after(some, LEAST, PARTS)
        parts.append(logs)
    np.testing.assert_allclose(np.concatenate(parts), whole, rtol=1e-9)


def test_nobody_gains_as_long_as_the_least_share_is_inside() -> None:
    """The mean over all courses of four images, by their probability, is at most 1."""
    for more in (0.0, 0.1):
        expected = 0.0
        for course in itertools.product([True, False], repeat=4):
            inside = np.repeat(np.array(course)[:, None], 3, axis=1)
            # Each region has the same course, so that it is as likely as of the first alone.
            share = LEAST[0] + more
            likely = math.prod(share if image else 1 - share for image in course)
            same = np.full(3, LEAST[0])
            _, logs = Wealth.at_start(3).after(inside, same, PARTS)
            expected += likely * math.exp(logs[-1])
        assert expected <= 1 + 1e-12
        assert (expected < 0.999) == bool(more)


def test_alternatives_lie_below_the_least_share() -> None:
    shares = alternatives(LEAST)
    assert (shares < LEAST[:, None]).all()
    assert (shares > 0).all()
    assert (np.diff(shares, axis=1) < 0).all()


def test_what_is_kept_for_later_falls_from_all_to_a_tenth() -> None:
    kept = kept_for_later(np.array([0, 1, 100, 10_000]))
    assert kept[0] == 1.0
    assert (np.diff(kept) < 0).all()
    assert kept[-1] > 0.09


def test_a_late_change_is_noticed_nearly_as_soon_as_an_early_one() -> None:
    delays = []
    for usual in (100, 10_000):
        rng = np.random.default_rng(3)
        inside = np.concatenate([rng.random((usual, 3)) < [0.5, 0.8, 0.95], np.zeros((200, 3))])
        _, logs = Wealth.at_start(3).after(inside.astype(bool), LEAST, PARTS)
        delays.append(int(np.flatnonzero(logs > math.log(400))[0]) - usual)
    assert 0 < delays[0] <= delays[1] <= delays[0] + 8
