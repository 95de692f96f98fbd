"""Mean-shift beyond what every selector must do: its bandwidth and its warnings."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.cluster import MeanShift, estimate_bandwidth

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.selection.meanshift import select_meanshift
from twofold.selection.projection import project


def blobs(sizes: tuple[int, ...], d: int = 8) -> NDArray[np.float64]:
    generator = np.random.default_rng(0)
    centers = np.repeat(np.eye(d)[: len(sizes)] * 3, sizes, axis=0)
    return centers + generator.normal(0.0, 0.05, size=(sum(sizes), d))


def test_equals_scikit_learn_after_pca() -> None:
    pool = blobs((30, 12, 8))
    rows = project(pool)
    labels = MeanShift(bandwidth=estimate_bandwidth(rows, quantile=0.3)).fit_predict(rows)
    selection = select_meanshift(pool, n_clusters=2, random_state=0)
    np.testing.assert_array_equal(selection.labels, labels)
    assert selection.n_clusters == 3


def test_a_smaller_quantile_makes_more_clusters() -> None:
    pool = np.random.default_rng(0).normal(size=(60, 3))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        counts = [
            select_meanshift(pool, n_clusters=1, random_state=0, quantile=q).n_clusters
            for q in (0.05, 0.2, 0.9)
        ]
    assert counts[0] > counts[1] >= counts[2] == 1


@pytest.mark.parametrize("random_state", [0, 1, 99])
def test_nothing_is_random(random_state: int) -> None:
    pool = blobs((25, 15))
    one = select_meanshift(pool, n_clusters=2, random_state=random_state)
    two = select_meanshift(pool, n_clusters=5, random_state=0)
    np.testing.assert_array_equal(one.labels, two.labels)


def test_groups_of_copies_are_clusters() -> None:
    # More copies of each than neighbours are looked at: the estimated bandwidth is 0.
    pool = np.repeat(np.eye(2), [14, 10], axis=0)
    selection = select_meanshift(pool, n_clusters=2, random_state=0)
    assert selection.dominant.tolist() == [True] * 14 + [False] * 10


@pytest.mark.parametrize(
    "pool", [np.ones((1, 4)), np.ones((9, 4)), np.zeros((9, 4)), blobs((40,))], ids=repr
)
def test_one_cluster_warns_of_missing_negatives(pool: NDArray[np.float64]) -> None:
    with pytest.warns(UserWarning, match="meanshift made a single cluster.*quantile") as caught:
        selection = select_meanshift(pool, n_clusters=2, random_state=0)
    assert selection.dominant.all()
    assert len(caught) == 1
    assert "\n" not in str(caught[0].message)
    assert caught[0].filename == __file__


def test_a_small_dominant_cluster_warns() -> None:
    with pytest.warns(
        UserWarning, match=r"meanshift kept only 1\d% .*raise its quantile"
    ) as caught:
        selection = select_meanshift(
            blobs((8,) * 6 + (9,)), n_clusters=2, random_state=0, quantile=0.1
        )
    assert selection.share == 9 / 57
    assert len(caught) == 1


def test_a_fifth_of_the_pool_is_enough() -> None:
    # Warnings are errors here.
    selection = select_meanshift(blobs((8,) * 5), n_clusters=2, random_state=0, quantile=0.1)
    assert selection.share == 0.2


@pytest.mark.parametrize("quantile", [0.0, -0.1, 1.1, float("nan")])
def test_a_bad_quantile_is_refused(quantile: float) -> None:
    with pytest.raises(ConfigError, match="quantile"):
        select_meanshift(np.ones((3, 2)), n_clusters=2, random_state=0, quantile=quantile)


def test_an_empty_pool_is_refused() -> None:
    with pytest.raises(NotEnoughImagesError, match="at least 1 target image, got 0"):
        select_meanshift(np.ones((0, 2)), n_clusters=2, random_state=0)
