"""K-means beyond what every selector must do."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from twofold.selection.kmeans import select_kmeans


def test_equals_scikit_learn_with_ten_starts() -> None:
    pool = np.random.default_rng(0).normal(size=(80, 6))
    selection = select_kmeans(pool, n_clusters=5, random_state=3)
    labels = KMeans(n_clusters=5, n_init=10, random_state=3).fit_predict(pool)
    np.testing.assert_array_equal(selection.labels, labels)
    assert selection.dominant.sum() == np.bincount(labels).max()


@pytest.mark.parametrize("random_state", range(4))
def test_equal_clusters_tie_to_the_lowest_label(random_state: int) -> None:
    pool = np.repeat(np.array([[0.0, 1.0], [1.0, 0.0]]), 6, axis=0)
    selection = select_kmeans(pool, n_clusters=2, random_state=random_state)
    np.testing.assert_array_equal(selection.dominant, selection.labels == 0)
    assert selection.share == 0.5


def test_fewer_distinct_rows_than_clusters_make_fewer_clusters() -> None:
    pool = np.repeat(np.eye(3), [5, 3, 2], axis=0)
    selection = select_kmeans(pool, n_clusters=6, random_state=0)
    assert selection.n_clusters == 3
    assert selection.dominant.tolist() == [True] * 5 + [False] * 5


@pytest.mark.parametrize(
    "pool",
    [
        np.array([[0.0], [-0.0], [0.0]]),
        np.array([[0.0], [1e-200], [0.0]]),  # its square is 0
        np.array([[1e-30], [0.0]], dtype=np.float32),
    ],
    ids=["signed zeros", "tiny", "tiny float32"],
)
def test_rows_that_differ_in_bits_alone_are_one_cluster(pool: NDArray[np.floating]) -> None:
    selection = select_kmeans(pool, n_clusters=2, random_state=0)
    assert selection.n_clusters == 1
    assert selection.dominant.all()


def test_one_cluster_takes_all() -> None:
    pool = np.random.default_rng(0).normal(size=(9, 3))
    assert select_kmeans(pool, n_clusters=1, random_state=0).share == 1.0


def test_as_many_clusters_as_images() -> None:
    selection = select_kmeans(np.eye(4), n_clusters=4, random_state=0)
    assert selection.n_clusters == 4
    assert selection.dominant.sum() == 1
