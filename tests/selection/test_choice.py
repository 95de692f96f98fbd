"""The number of clusters from scarcity, on made-up pools."""

from __future__ import annotations

import itertools
import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.small_samples import KINDS, SIZES, end, sample

from twofold.densities import unit_rows
from twofold.errors import NotEnoughImagesError
from twofold.selection import SELECTORS, Selection, refine, select
from twofold.selection.trimmed import select_trimmed

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

each = pytest.mark.parametrize("selector", ["kmeans", "gmm"])


def pool(n: int, *sizes: int, seed: int = 0, d: int = 64) -> tuple[Array, Mask]:
    """Unit rows as behind a ReLU: one mode, then groups whose large channels are others."""
    rng = np.random.default_rng(seed)
    kinds = rng.gamma(2.0, 1.0, (1 + len(sizes), d))
    group = np.repeat(np.arange(1 + len(sizes)), (n, *sizes))
    rows = kinds[group] * rng.gamma(8.0, 1 / 8, (len(group), d))
    return unit_rows(rows), group > 0


def auto(rows: Array, selector: str = "kmeans", random_state: int = 0) -> Selection:
    return select(selector, rows, n_clusters="auto", random_state=random_state)


def one_modes(rng: np.random.Generator) -> dict[str, Array]:
    gaussian = rng.normal(size=(150, 40)) * np.linspace(2.0, 0.3, 40)
    angle = rng.uniform(0.0, 2.5, 200)
    curve = np.stack([np.cos(angle), np.sin(angle)], axis=1) + 0.05 * rng.normal(size=(200, 2))
    return {
        "gaussian": gaussian,
        "positive": pool(150)[0],
        "wide": rng.normal(size=(60, 600)),
        "heavy tails": gaussian / np.sqrt(rng.chisquare(3, (150, 1)) / 3.0),
        "skewed": rng.gamma(1.0, 1.0, (150, 40)) * np.linspace(2.0, 0.3, 40),
        "flat": rng.uniform(-1.0, 1.0, (150, 2)),
        "curved": curve,
        "tiny": rng.normal(size=(16, 40)),
    }


@pytest.mark.slow
@each
@pytest.mark.parametrize("kind", one_modes(np.random.default_rng(0)))
def test_one_mode_is_one_cluster_with_the_stragglers_of_trimmed(kind: str, selector: str) -> None:
    for seed in range(2):
        rows = one_modes(np.random.default_rng(seed))[kind]
        found = auto(rows, selector, seed)
        assert found.chosen == 1
        expected = select_trimmed(rows, n_clusters=1, random_state=seed)
        np.testing.assert_array_equal(found.labels, expected.labels)


@pytest.mark.slow
@each
@pytest.mark.parametrize("m", [8, 15, 35])
def test_a_group_apart_is_all_that_is_pushed_away(m: int, selector: str) -> None:
    rows, odd = pool(150, m)
    found = auto(rows, selector)
    assert found.chosen is not None
    assert found.chosen >= 2
    assert (~found.dominant[odd]).all()
    assert found.dominant[~odd].mean() > 0.98


@pytest.mark.slow
def test_several_kinds_of_anomalies_are_found() -> None:
    rows, odd = pool(150, 8, 8, 8)
    found = auto(rows)
    np.testing.assert_array_equal(found.dominant, ~odd)
    assert found.share == pytest.approx(150 / 174)


@each
def test_two_modes_of_one_size_are_no_anomalies(selector: str) -> None:
    rows, _ = pool(80, 80)
    found = auto(rows, selector)
    assert found.chosen == 1
    assert found.share > 0.75


def test_a_third_of_the_pool_is_no_set_of_anomalies_and_a_quarter_may_be() -> None:
    for m, chosen in ((50, False), (48, True)):
        rows, odd = pool(144 if chosen else 100, m)
        found = auto(rows)
        assert (found.chosen != 1) is chosen
        if chosen:
            np.testing.assert_array_equal(found.dominant, ~odd)


@pytest.mark.slow
def test_copies_are_no_mode() -> None:
    rng = np.random.default_rng(0)
    distinct = pool(60)[0]
    assert auto(distinct[rng.integers(0, 60, 200)]).chosen == 1
    rows = np.concatenate([distinct, np.repeat(distinct[:2], 8, axis=0)])
    assert auto(rows).chosen == 1


@pytest.mark.slow
def test_copies_of_the_pool_choose_the_same() -> None:
    rows, _ = pool(100, 10)
    plain, doubled = auto(rows), auto(np.concatenate([rows, rows]))
    assert doubled.chosen == plain.chosen != 1
    np.testing.assert_array_equal(doubled.dominant, np.tile(plain.dominant, 2))


@pytest.mark.slow
@each
@pytest.mark.parametrize("seed", range(3))
def test_the_order_of_the_rows_does_not_matter(selector: str, seed: int) -> None:
    rows, _ = pool(100, 8, 6)
    order = np.random.default_rng(seed).permutation(len(rows))
    plain, other = auto(rows, selector), auto(rows[order], selector)
    assert plain.chosen == other.chosen
    np.testing.assert_array_equal(other.labels, plain.labels[order])


@pytest.mark.slow
@each
def test_the_same_random_state_chooses_the_same(selector: str) -> None:
    for rows in (pool(60, 7)[0], pool(60)[0]):
        first, second = auto(rows, selector, 5), auto(rows, selector, 5)
        assert first.chosen == second.chosen
        np.testing.assert_array_equal(first.labels, second.labels)


def test_the_pool_is_not_changed() -> None:
    rows, _ = pool(60, 7)
    rows.flags.writeable = False
    auto(rows)


@pytest.mark.parametrize("n", [1, 2, 3, 11])
def test_few_images_are_one_mode(n: int) -> None:
    rows, _ = pool(n)
    assert auto(rows).chosen == 1
    assert auto(np.tile(rows[:1], (n, 1))).dominant.all()


def test_no_image_is_a_named_error() -> None:
    with pytest.raises(NotEnoughImagesError, match="got 0"):
        auto(np.ones((0, 3)))


def test_selectors_without_k_do_as_ever_and_given_k_is_no_choice() -> None:
    rows, _ = pool(60, 6)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "meanshift (made|kept)", UserWarning)
        for name in ("meanshift", "trimmed"):
            found = auto(rows, name)
            expected = SELECTORS.load(name)(rows, n_clusters=2, random_state=0)
            np.testing.assert_array_equal(found.labels, expected.labels)
            assert found.chosen is None
    assert select("kmeans", rows, n_clusters=3, random_state=0).chosen is None


def test_the_partition_tells_what_was_chosen() -> None:
    rows, odd = pool(100, 10)
    found = auto(rows)
    partition = refine(found, rows)
    assert partition.chosen == found.chosen
    np.testing.assert_array_equal(partition.others, np.flatnonzero(odd))


@pytest.mark.slow
@each
@KINDS
def test_degenerate_pools(kind: str, selector: str) -> None:
    sizes = [n for n in SIZES if n in (0, 1, 2, 5, 14)]
    for n, state in itertools.product(sizes, (0,)):
        found = end(auto, sample(kind, n, state), selector, state)
        assert (found is None) == (n == 0)
        if found is not None:
            assert found.dominant.shape == (n,)
            assert found.dominant.any()
