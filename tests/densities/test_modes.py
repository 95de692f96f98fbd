"""One group or two: against slow versions, and on pools whose groups are known."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from twofold.densities import (
    TWO_MODES,
    fit_trimmed,
    leading_components,
    lesser_mode,
    majority,
    modes,
    multimodality,
)
from twofold.densities.modes import two_means, valley_depth
from twofold.errors import ConfigError, NotEnoughImagesError

Array = NDArray[np.float64]


def groups(*sizes: int, distance: float, seed: int = 0, d: int = 12) -> Array:
    """Gaussian groups along one line, so far apart in standard deviations."""
    rows = np.random.default_rng(seed).normal(size=(sum(sizes), d))
    rows[:, d // 2] += distance * np.repeat(np.arange(len(sizes)), sizes)
    return rows


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
    side, separation = two_means(rows @ axes.T)
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
    assert valley_depth(line[:, None], side) == pytest.approx(expected, abs=0.02)
    assert valley_depth(-line[:, None], side) == pytest.approx(expected, abs=0.02)
    assert valley_depth(line[:, None], ~side) == pytest.approx(expected, abs=0.02)


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
    assert (found.minor_low, found.typical) == (0, ())
    found = multimodality(np.repeat([[0.0, 1.0], [1.0, 0.0]], [12, 8], axis=0), random_state=0)
    assert found.separation == pytest.approx(1.0)
    assert (found.valley, found.minor_share, found.p_value) == (0.0, 0.4, 1 / 101)
    assert set(found.typical) <= set(range(12, 20))
    assert lesser_mode(np.full((12, 5), 0.1), most=0.5) is None


def test_large_pools_are_thinned_and_inputs_left_alone() -> None:
    pool = groups(2000, 400, distance=9.0, d=2).astype(np.float32)
    before = pool.copy()
    found = multimodality(pool, simulations=19, random_state=1)
    assert found == multimodality(pool, simulations=19, random_state=1)
    assert found.minor_share == pytest.approx(1 / 6, abs=0.02)
    assert min(found.typical) >= 2000
    lesser = lesser_mode(pool, most=0.25)
    assert lesser is not None
    assert np.array_equal(np.flatnonzero(lesser), np.arange(2000, 2400))
    np.testing.assert_array_equal(pool, before)


def test_typical_images_are_nearest_to_their_groups_mean() -> None:
    pool = groups(80, 12, distance=9.0)
    found = multimodality(pool, simulations=19, random_state=0)
    away = np.linalg.norm(pool[80:] - pool[80:].mean(axis=0), axis=1)
    # All but the components of rounding are there: at 12 numbers an image all twelve.
    assert found.typical == tuple(80 + np.argsort(away)[:5])


@pytest.mark.parametrize(("minor", "most"), [(20, 0.25), (40, 0.25), (40, 0.5)])
def test_the_lesser_group_is_the_one_that_the_test_sees(minor: int, most: float) -> None:
    pool = groups(100 - minor, minor, distance=8.0, seed=1)
    found = lesser_mode(pool, most=most)
    assert multimodality(pool, random_state=0).p_value <= TWO_MODES
    if minor > 100 * most:
        assert found is None
    else:
        assert found is not None
        assert np.array_equal(np.flatnonzero(found), np.arange(100 - minor, 100))


@pytest.mark.parametrize("kind", ["round", "long", "flat", "skewed", "wide"])
def test_no_group_is_left_out_of_a_single_mode(kind: str) -> None:
    found = [
        lesser_mode(single_modes(kind, np.random.default_rng(seed)), most=0.25)
        for seed in range(20)
    ]
    # 2% expected; three of twenty would have probability 0.007.
    assert sum(group is not None for group in found) <= 2


@pytest.mark.parametrize(("share", "spread"), [(0.05, 0.7), (0.1, 0.3), (0.2, 1.0)])
def test_anomalies_of_one_kind_are_left_out(share: float, spread: float) -> None:
    """400 images of 50 numbers, so many of them in a clump eight deviations away."""
    rng = np.random.default_rng(0)
    rows, odd = rng.normal(size=(400, 50)), int(400 * share)
    direction = rng.normal(size=50)
    rows[:odd] = 8 * direction / np.linalg.norm(direction) + spread * rng.normal(size=(odd, 50))
    everybody = np.ones(400, dtype=np.bool_)
    before = fit_trimmed(None, rows, trim=0.25, start=everybody)[1]
    assert before[:odd].mean() > 0.6
    assert np.array_equal(majority(rows, trim=0.25), np.arange(400) >= odd)
    assert fit_trimmed(None, rows, trim=0.25)[1][:odd].mean() < 0.02
    # What cannot be left out is not.
    assert majority(rows, trim=0.0).all()


def test_a_lesser_group_of_just_the_allowed_share_is_found() -> None:
    found = lesser_mode(groups(75, 25, distance=8.0, seed=1), most=0.25)
    assert found is not None
    assert found.sum() == 25


def test_where_the_pool_lies_does_not_matter() -> None:
    pool = groups(2000, 400, distance=9.0, d=2) + 100.0
    found = lesser_mode(pool, most=0.25)
    assert found is not None
    assert np.array_equal(np.flatnonzero(found), np.arange(2000, 2400))


def test_one_simulation_is_the_fewest() -> None:
    assert multimodality(groups(60, 40, distance=9.0), simulations=1, random_state=0).p_value == 0.5


def test_too_few_images_are_one_group(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = groups(8, 1, distance=30.0)
    assert lesser_mode(pool, most=0.5) is None
    monkeypatch.setattr(modes, "_LEAST_ROWS", 9)
    assert lesser_mode(pool, most=0.5) is not None


def test_named_errors() -> None:
    pool = groups(10, distance=0.0)
    with pytest.raises(NotEnoughImagesError, match="at least 10 target images, got 9"):
        multimodality(pool[:9], random_state=0)
    with pytest.raises(ConfigError, match="simulations"):
        multimodality(pool, simulations=0, random_state=0)


@pytest.mark.parametrize("n", [300, 2100])
def test_known_components_save_time_and_change_nothing(n: int) -> None:
    """Of a pool from which rows are drawn, those of all rows are not the ones that are needed."""
    rows = np.random.default_rng(0).normal(size=(n, 6)) * np.arange(1.0, 7.0)
    known = leading_components(rows, random_state=1)
    assert multimodality(rows, simulations=2, random_state=1) == multimodality(
        rows, simulations=2, random_state=1, components=known
    )
