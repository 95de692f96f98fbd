"""The distance from one mode, and the gap between a cluster and the dominant one."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from twofold.selection.unimodality import APART, separation, unimodal_distance

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]


def slow(values: Array) -> float:
    """By its definition: for each mode the nearest function, as a linear program.

    Variables: the function at the distinct places, its value right of the step at the mode, and the
    distance.
    """
    x, counts = np.unique(values, return_counts=True)
    after = np.cumsum(counts) / counts.sum()
    before = after - counts / counts.sum()
    n = len(x)
    best = 1.0
    for mode in range(n):
        left = np.eye(n + 2)[:n]
        right = left.copy()
        right[mode] = np.eye(n + 2)[n]
        distance = np.eye(n + 2)[n + 1]
        upper = [*(left - distance), *(right - distance)]
        upper += [*(-left - distance), *(-right - distance)]
        bound = [*before, *after, *-before, *-after]
        slopes = [(left[i + 1] - right[i]) / (x[i + 1] - x[i]) for i in range(n - 1)]
        upper += [-slope for slope in slopes]
        # Convex up to the mode, concave from it.
        upper += [slopes[i - 1] - slopes[i] for i in range(1, mode)]
        upper += [slopes[i] - slopes[i - 1] for i in range(mode + 1, n - 1)]
        bound += [0.0] * (len(upper) - len(bound))
        found = linprog(distance, A_ub=np.array(upper), b_ub=bound, bounds=(None, None))
        best = min(best, float(found.fun or 0.0))
    return best


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_equals_a_linear_program(seed: int, ties: bool) -> None:
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 13))
    values = rng.integers(0, 5, n).astype(np.float64) if ties else rng.normal(size=n)
    assert unimodal_distance(values) == pytest.approx(slow(values), abs=1e-7)


@pytest.mark.parametrize("seed", range(3))
def test_neither_place_scale_direction_nor_order_matters(seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=40)
    expected = unimodal_distance(values)
    for other in (values[::-1], 3.0 * values + 7.0, -values, 1e-20 * values):
        assert unimodal_distance(other) == pytest.approx(expected, abs=1e-12)


def test_known_samples() -> None:
    assert unimodal_distance(np.full(5, 3.0)) == 0.0
    assert unimodal_distance(np.array([2.0])) == 0.0
    assert unimodal_distance(np.repeat([0.0, 1.0], 10)) == pytest.approx(0.25)
    # Evenly spaced: each step of 1 / n is split in two.
    assert unimodal_distance(np.arange(10.0)) == pytest.approx(1 / 20)


@pytest.mark.parametrize("n", [6, 8, 12, 20, 60, 200])
def test_one_uniform_sample_in_two_hundred_looks_apart(n: int) -> None:
    rng = np.random.default_rng(n)
    found = np.array([unimodal_distance(rng.uniform(size=n)) for _ in range(800)]) * np.sqrt(n)
    # Of 800, with a chance of 1 / 180 each: more than 11 have a chance of 1%.
    assert (found > APART).sum() <= 11


def two(n: int, m: int, gap: float, d: int = 200, seed: int = 0) -> tuple[Array, Mask]:
    rng = np.random.default_rng(seed)
    cluster = np.arange(n + m) >= n
    rows = rng.normal(size=(n + m, d))
    rows[cluster, 0] += gap
    return rows, cluster


def halves(n: int) -> Mask:
    return np.asarray(np.arange(n) % 2 == 0)


@pytest.mark.parametrize("m", [6, 10, 50])
def test_a_gap_is_seen_and_parts_of_one_mode_are_not_apart(m: int) -> None:
    rows, cluster = two(200, m, gap=20.0)
    half = halves(len(rows))
    assert separation(rows, ~cluster, cluster, half) > APART
    for seed in range(10):
        one, cluster = two(200, m, gap=0.0, seed=seed)
        # The outermost along one direction, as a clustering cuts it off.
        cluster = one[:, 0] >= np.sort(one[:, 0])[-m]
        assert separation(one, ~cluster, cluster, half) <= APART


def test_only_rows_that_did_not_give_the_line_are_asked() -> None:
    """Noise in many dimensions: seen rows lie apart along any line fitted to them."""
    rows, cluster = two(60, 20, gap=0.0, d=2000)
    axis = rows[cluster].mean(axis=0) - rows[~cluster].mean(axis=0)
    seen = np.sort(rows @ axis)[-40:]
    assert unimodal_distance(seen) * np.sqrt(40) > APART
    assert separation(rows, ~cluster, cluster, halves(80)) <= APART


def test_a_half_without_one_of_the_two_tells_nothing() -> None:
    rows, cluster = two(20, 1, gap=50.0)
    assert separation(rows, ~cluster, cluster, halves(21)) == 0.0
    same = np.ones((8, 3))
    assert separation(same, np.arange(8) < 4, np.arange(8) >= 4, halves(8)) == 0.0


def test_two_rows_are_never_apart_and_three_may_be() -> None:
    found = {}
    for m in (2, 3):
        rows, cluster = two(40, m, gap=1000.0, d=2)
        found[m] = separation(rows, ~cluster, cluster, halves(40 + m))
    assert found[2] <= APART < found[3]
