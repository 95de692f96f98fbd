"""Dominance: against slow versions, and on pools whose groups are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.evidence.dominance import (
    _two_means,
    _valley,
    dominant_share,
    multimodality,
    stability,
)
from twofold.evidence.shift import leading_components
from twofold.selection.kmeans import select_kmeans

Array = NDArray[np.float64]


def groups(*sizes: int, distance: float, seed: int = 0, d: int = 12) -> Array:
    """Gaussian groups along one line, so far apart in standard deviations."""
    rows = np.random.default_rng(seed).normal(size=(sum(sizes), d))
    rows[:, d // 2] += distance * np.repeat(np.arange(len(sizes)), sizes)
    return rows


def test_the_share_is_that_of_the_selector() -> None:
    rows = groups(30, 12, distance=9.0)
    assert dominant_share(rows, n_clusters=2, random_state=0) == pytest.approx(30 / 42)
    expected = select_kmeans(rows, n_clusters=5, random_state=3).share
    assert dominant_share(rows, n_clusters=5, random_state=3) == expected
    with pytest.raises(NotEnoughImagesError):
        dominant_share(rows[:1], n_clusters=2, random_state=0)


def test_stability_equals_the_version_with_sets() -> None:
    pool = groups(25, 15, distance=2.0)
    found = stability(pool, n_clusters=(2, 4), bootstraps=3, random_state=7)
    rng = np.random.default_rng(7)
    rows = leading_components(pool, random_state=7)
    wholes, agreement = [], []
    for k in (2, 4):
        whole = set(np.flatnonzero(select_kmeans(rows, n_clusters=k, random_state=7).dominant))
        again = []
        for _ in range(3):
            part = rng.choice(40, 32, replace=False)
            seed = int(rng.integers(2**31))
            dominant = select_kmeans(rows[part], n_clusters=k, random_state=seed).dominant
            here, there = set(part[dominant]), whole & set(part)
            again.append(len(here & there) / len(here | there))
        wholes.append(whole)
        agreement.append(np.mean(again))
    assert found.agreement == pytest.approx(agreement)
    assert found.shares == pytest.approx([len(whole) / 40 for whole in wholes])
    assert found.across == pytest.approx(len(wholes[0] & wholes[1]) / min(map(len, wholes)))
    assert found.n_clusters == (2, 4)


def test_a_dominant_group_is_stable() -> None:
    found = stability(groups(85, 15, distance=8.0), bootstraps=4, random_state=0)
    assert found.agreement[0] == 1.0
    assert found.shares[0] == 0.85
    assert found.across > 0.7
    assert stability(groups(20, distance=0.0), n_clusters=(1,), random_state=0).across == 1.0


@pytest.mark.parametrize("sizes", [(100,), (50, 50)], ids=["one cloud", "two halves"])
def test_an_arbitrary_choice_is_not(sizes: tuple[int, ...]) -> None:
    pools = [groups(*sizes, distance=8.0, seed=seed) for seed in range(3)]
    found = [stability(p, n_clusters=(2,), bootstraps=6, random_state=0) for p in pools]
    assert np.mean([one.agreement[0] for one in found]) < 0.8
    assert max(one.shares[0] for one in found) < 0.7


@pytest.mark.parametrize("seed", range(3))
def test_two_means_finds_the_best_of_all_splits(seed: int) -> None:
    rows = groups(6, 4, distance=4.0, seed=seed, d=4)
    rows -= rows.mean(axis=0)
    best = 0.0
    for bits in itertools.product([False, True], repeat=9):
        side = np.array([False, *bits])
        if side.any():
            parts = (rows[side], rows[~side])
            within = sum(float(np.square(part - part.mean(axis=0)).sum()) for part in parts)
            best = max(best, 1.0 - within / float(np.square(rows).sum()))
    axes = np.linalg.svd(rows, full_matrices=False)[2]
    side, separation = _two_means(rows @ axes.T)
    assert separation == pytest.approx(best)
    assert side.sum() in (4, 6)


@pytest.mark.parametrize("distance", [3.0, 4.0, 6.0])
def test_the_valley_is_that_of_a_kernel_density(distance: float) -> None:
    line = groups(200, 100, distance=distance, seed=1, d=1)[:, 0]
    side = line > distance / 2
    spread = np.sqrt((line[side].var() * side.sum() + line[~side].var() * (~side).sum()) / 300)
    grid = np.linspace(line.min(), line.max(), 2000)
    width = 1.06 * spread * 300**-0.2
    density = np.exp(-np.square((grid[:, None] - line) / width) / 2).sum(axis=1)
    left, right = density[grid < distance / 2], density[grid >= distance / 2]
    between = np.concatenate([left[left.argmax() :], right[: right.argmax() + 1]])
    expected = between.min() / min(left.max(), right.max())
    assert _valley(line[:, None], side) == pytest.approx(expected, abs=0.02)
    assert _valley(-line[:, None], side) == pytest.approx(expected, abs=0.02)
    assert _valley(line[:, None], ~side) == pytest.approx(expected, abs=0.02)


@pytest.mark.parametrize(
    ("sizes", "minor"), [((60, 60), 0.5), ((100, 50), 1 / 3), ((135, 15), 0.1), ((10, 10), 0.5)]
)
def test_two_groups_are_seen_with_their_shares(sizes: tuple[int, int], minor: float) -> None:
    found = multimodality(groups(*sizes, distance=7.0), simulations=40, random_state=0)
    assert found.p_value < 0.05
    assert found.minor_share == pytest.approx(minor, abs=0.02)
    count, n = round(found.minor_share * sum(sizes)), sum(sizes)
    # So many or more have a probability of 5% under the lower end.
    assert binom.sf(count - 1, n, found.minor_low) == pytest.approx(0.05)
    assert found.valley < 0.3
    assert 0 < found.separation < 1


def single_modes(kind: str, rng: np.random.Generator) -> Array:
    rows = rng.normal(size=(150, 12))
    if kind == "long":
        rows[:, 0] *= 6
    elif kind == "flat":
        rows[:, 0] = rng.uniform(-6, 6, size=150)
    elif kind == "skewed":
        rows[:, 0] = 5 * rng.exponential(size=150)
    elif kind == "heavy":
        rows /= np.sqrt(rng.chisquare(3, size=(150, 1)) / 3)
    elif kind == "wide":
        rows = rng.normal(size=(150, 200))
    return rows


@pytest.mark.parametrize("kind", ["round", "long", "flat", "skewed", "heavy", "wide"])
def test_single_modes_are_not_split(kind: str) -> None:
    split = 0
    for seed in range(15):
        rows = single_modes(kind, np.random.default_rng(seed))
        found = multimodality(rows, simulations=19, random_state=seed)
        # The far outliers of the heavy tails do stand apart, a few of them.
        split += found.p_value <= 0.05 and found.minor_share > 0.1
    # At most 0.05 expected; four of fifteen would have probability 0.005.
    assert split <= 3


def test_all_the_same_rows_are_one_mode() -> None:
    found = multimodality(np.full((12, 5), 0.1), random_state=0)
    assert (found.separation, found.valley, found.minor_share, found.p_value) == (0, 1, 0, 1)
    assert found.minor_low == 0
    found = multimodality(np.repeat([[0.0, 1.0], [1.0, 0.0]], [12, 8], axis=0), random_state=0)
    assert found.separation == pytest.approx(1.0)
    assert (found.valley, found.minor_share, found.p_value) == (0.0, 0.4, 1 / 101)
    assert stability(np.ones((12, 5)), n_clusters=(2,), random_state=0).agreement == (1.0,)


def test_large_pools_are_thinned_and_inputs_left_alone() -> None:
    pool = groups(2000, 400, distance=9.0, d=2).astype(np.float32)
    before = pool.copy()
    found = multimodality(pool, simulations=19, random_state=1)
    assert found == multimodality(pool, simulations=19, random_state=1)
    assert found.minor_share == pytest.approx(1 / 6, abs=0.02)
    assert stability(pool, n_clusters=(2,), bootstraps=1, random_state=1).agreement == (1.0,)
    np.testing.assert_array_equal(pool, before)


def test_named_errors() -> None:
    pool = groups(10, distance=0.0)
    with pytest.raises(NotEnoughImagesError, match="at least 10 target images, got 9"):
        multimodality(pool[:9], random_state=0)
    with pytest.raises(NotEnoughImagesError, match="at least 7 target images, got 6"):
        stability(pool[:6], random_state=0)
    with pytest.raises(ConfigError, match="simulations"):
        multimodality(pool, simulations=0, random_state=0)
    with pytest.raises(ConfigError, match="bootstrap"):
        stability(pool, bootstraps=0, random_state=0)
    with pytest.raises(ConfigError, match="bootstrap"):
        stability(pool, n_clusters=(), random_state=0)
    with pytest.raises(ConfigError, match="n_clusters"):
        stability(pool, n_clusters=(0,), random_state=0)
