"""What every registered selector must do: a new one is tested by its registry line."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.errors import ConfigError, NotEnoughImagesError, TwofoldError
from twofold.selection import SELECTORS

# These find the number of clusters themselves: K is checked to be one, and then ignored.
WITHOUT_K = ("meanshift", "trimmed")

# These leave out a quarter of the pool at most, so the lesser clusters have to be that small.
FEW_OUTSIDE = ("trimmed",)

# What mean-shift says of a pool of copies or of one blob is tested in test_meanshift.py.
pytestmark = pytest.mark.filterwarnings("ignore:meanshift made a single cluster:UserWarning")

each_selector = pytest.mark.parametrize("name", SELECTORS.ids())
each_with_k = pytest.mark.parametrize("name", [n for n in SELECTORS.ids() if n not in WITHOUT_K])


def blobs(sizes: tuple[int, ...], d: int = 8, seed: int = 0) -> NDArray[np.float32]:
    """Well separated clusters of the given sizes, one after the other."""
    generator = np.random.default_rng(seed)
    parts = [
        generator.normal(0.0, 0.05, size=(size, d)) + np.eye(d)[cluster] * 3
        for cluster, size in enumerate(sizes)
    ]
    return np.concatenate(parts).astype(np.float32)


def planted(name: str, *sizes: int) -> tuple[int, ...]:
    """Sizes of clusters, the lesser ones a third of that where a selector needs it."""
    return tuple(n if n == max(sizes) or name not in FEW_OUTSIDE else n // 3 for n in sizes)


def test_the_papers_choices_are_there() -> None:
    assert SELECTORS.ids()[0] == "kmeans"
    assert {"gmm", "meanshift"} <= set(SELECTORS.ids())


def test_an_unknown_selector_lists_the_known() -> None:
    with pytest.raises(ConfigError, match=r"selector 'dbscan'.*kmeans"):
        SELECTORS.load("dbscan")


@each_selector
@pytest.mark.parametrize("largest", [0, 1, 2])
def test_the_largest_of_planted_clusters_is_found(name: str, largest: int) -> None:
    sizes = planted(name, *(40 if cluster == largest else 12 for cluster in range(3)))
    selection = SELECTORS.load(name)(blobs(sizes), n_clusters=3, random_state=0)
    expected = np.repeat(np.arange(3), sizes) == largest
    np.testing.assert_array_equal(selection.dominant, expected)
    assert selection.share == pytest.approx(40 / sum(sizes))


@each_selector
def test_the_same_random_state_gives_the_same_selection(name: str) -> None:
    pool = np.random.default_rng(3).normal(size=(60, 5))
    first, second = (SELECTORS.load(name)(pool, n_clusters=4, random_state=7) for _ in range(2))
    np.testing.assert_array_equal(first.labels, second.labels)
    np.testing.assert_array_equal(first.dominant, second.dominant)


@each_selector
@pytest.mark.parametrize("seed", [0, 1, 2])
def test_the_order_of_the_pool_does_not_matter(name: str, seed: int) -> None:
    pool = blobs(planted(name, 30, 11, 7))
    order = np.random.default_rng(seed).permutation(len(pool))
    select = SELECTORS.load(name)
    plain = select(pool, n_clusters=3, random_state=0)
    permuted = select(pool[order], n_clusters=3, random_state=0)
    np.testing.assert_array_equal(permuted.dominant, plain.dominant[order])


@each_selector
def test_duplicates_of_the_pool_select_the_same(name: str) -> None:
    pool = blobs(planted(name, 30, 11, 7))
    select = SELECTORS.load(name)
    plain = select(pool, n_clusters=3, random_state=0)
    doubled = select(np.concatenate([pool, pool]), n_clusters=3, random_state=0)
    np.testing.assert_array_equal(doubled.dominant, np.tile(plain.dominant, 2))


@each_selector
@pytest.mark.parametrize("sizes", [(30, 12), (12, 30)])
def test_two_blobs_of_unit_rows_are_told_apart(name: str, sizes: tuple[int, int]) -> None:
    made = planted(name, *sizes)
    pool = blobs(made)
    pool /= np.linalg.norm(pool, axis=1, keepdims=True)
    selection = SELECTORS.load(name)(pool, n_clusters=2, random_state=0)
    np.testing.assert_array_equal(selection.dominant, np.repeat(np.array(made) == 30, made))


@each_selector
def test_the_labels_are_one_for_each_image(name: str) -> None:
    selection = SELECTORS.load(name)(blobs((20, 9)), n_clusters=2, random_state=0)
    assert selection.labels.shape == selection.dominant.shape == (29,)
    assert selection.labels.dtype == np.int64
    assert selection.labels.min() >= 0
    counts = np.bincount(selection.labels)
    np.testing.assert_array_equal(selection.dominant, selection.labels == counts.argmax())


@each_selector
def test_the_global_random_state_is_left_alone(name: str) -> None:
    before = np.random.get_state()[1].copy()  # type: ignore[index] # noqa: NPY002
    SELECTORS.load(name)(blobs((20, 9)), n_clusters=2, random_state=0)
    after = np.random.get_state()[1]  # type: ignore[index] # noqa: NPY002
    np.testing.assert_array_equal(after, before)


@each_selector
def test_the_pool_is_not_changed(name: str) -> None:
    pool = blobs((20, 5))
    before = pool.copy()
    pool.flags.writeable = False
    SELECTORS.load(name)(pool, n_clusters=2, random_state=0)
    np.testing.assert_array_equal(pool, before)


@each_selector
@pytest.mark.parametrize("n", [1, 2, 3, 7])
def test_identical_images_are_one_cluster(name: str, n: int) -> None:
    selection = SELECTORS.load(name)(np.full((n, 4), 0.7), n_clusters=min(n, 3), random_state=0)
    assert selection.dominant.all()
    assert selection.n_clusters == 1


@each_selector
def test_one_image_is_its_own_cluster(name: str) -> None:
    selection = SELECTORS.load(name)(np.ones((1, 4)), n_clusters=1, random_state=0)
    assert selection.dominant.tolist() == [True]


@each_selector
def test_an_empty_pool_is_a_named_error(name: str) -> None:
    with pytest.raises(NotEnoughImagesError, match=r"1 target image.*0"):
        SELECTORS.load(name)(np.ones((0, 3)), n_clusters=1, random_state=0)


@each_with_k
@pytest.mark.parametrize(("n", "k"), [(0, 1), (0, 2), (1, 2), (4, 5)])
def test_fewer_images_than_clusters_is_a_named_error(name: str, n: int, k: int) -> None:
    with pytest.raises(NotEnoughImagesError, match=rf"{k}.*{n}"):
        SELECTORS.load(name)(np.ones((n, 3)), n_clusters=k, random_state=0)


@each_selector
@pytest.mark.parametrize("k", [0, -1])
def test_no_clusters_is_a_named_error(name: str, k: int) -> None:
    with pytest.raises(ConfigError, match="n_clusters") as caught:
        SELECTORS.load(name)(np.ones((5, 3)), n_clusters=k, random_state=0)
    assert isinstance(caught.value, TwofoldError)


@pytest.mark.parametrize("name", WITHOUT_K)
@pytest.mark.parametrize("k", [1, 2, 7, 99])
def test_selectors_without_k_find_the_same_whatever_it_is(name: str, k: int) -> None:
    sizes = planted(name, 30, 12)
    selection = SELECTORS.load(name)(blobs(sizes), n_clusters=k, random_state=0)
    assert selection.dominant.tolist() == [True] * 30 + [False] * sizes[1]
