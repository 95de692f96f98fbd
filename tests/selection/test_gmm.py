"""Gaussian mixtures beyond what every selector must do."""

from __future__ import annotations

from typing import Literal

import numpy as np
import pytest
from sklearn.mixture import GaussianMixture

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.selection.gmm import select_gmm
from twofold.selection.projection import project

Covariance = Literal["diag", "full"]
each_covariance = pytest.mark.parametrize("covariance", ["diag", "full"])


@each_covariance
def test_equals_scikit_learn_after_pca(covariance: Covariance) -> None:
    pool = np.random.default_rng(0).normal(size=(80, 20))
    selection = select_gmm(pool, n_clusters=3, random_state=5, covariance=covariance)
    model = GaussianMixture(3, covariance_type=covariance, reg_covar=1e-4, n_init=5, random_state=5)
    labels = model.fit_predict(project(pool))
    np.testing.assert_array_equal(selection.labels, labels)
    assert selection.dominant.sum() == np.bincount(labels).max()


def test_diagonal_covariances_are_the_default() -> None:
    pool = np.random.default_rng(1).normal(size=(60, 10))
    default = select_gmm(pool, n_clusters=3, random_state=0)
    diagonal = select_gmm(pool, n_clusters=3, random_state=0, covariance="diag")
    np.testing.assert_array_equal(default.labels, diagonal.labels)


def test_full_covariances_tell_crossing_clusters_apart() -> None:
    # Two thin bars crossed like an X, whose long axes PCA does not line up with.
    generator = np.random.default_rng(0)
    along, across = generator.normal(size=150), generator.normal(scale=0.02, size=150)
    sign = np.where(np.arange(150) < 100, 1.0, -1.0)
    pool = np.stack([along, 0.4 * sign * along + across], axis=1)
    planted = sign > 0
    accuracy = {
        covariance: (
            select_gmm(pool, n_clusters=2, random_state=0, covariance=covariance).dominant
            == planted
        ).mean()
        for covariance in ("diag", "full")
    }
    assert accuracy["full"] > 0.9
    assert accuracy["full"] > accuracy["diag"]


@each_covariance
@pytest.mark.parametrize("n", [2, 3, 5, 8])
def test_tiny_pools_do(n: int, covariance: Covariance) -> None:
    pool = np.random.default_rng(n).normal(size=(n, 64))
    selection = select_gmm(pool, n_clusters=2, random_state=0, covariance=covariance)
    assert selection.dominant.any()


@each_covariance
def test_fewer_distinct_rows_than_clusters_make_fewer_clusters(covariance: Covariance) -> None:
    pool = np.repeat(np.eye(3), [25, 15, 10], axis=0)
    selection = select_gmm(pool, n_clusters=6, random_state=0, covariance=covariance)
    assert selection.n_clusters == 3
    assert selection.dominant.tolist() == [True] * 25 + [False] * 25


@pytest.mark.parametrize("n", [1, 2, 9])
def test_one_cluster_takes_all(n: int) -> None:
    pool = np.random.default_rng(0).normal(size=(n, 3))
    assert select_gmm(pool, n_clusters=1, random_state=0).share == 1.0


def test_bad_numbers_of_clusters_are_named_errors() -> None:
    with pytest.raises(ConfigError, match="n_clusters"):
        select_gmm(np.ones((3, 2)), n_clusters=0, random_state=0)
    with pytest.raises(NotEnoughImagesError, match=r"4 clusters need at least 4 .* got 3"):
        select_gmm(np.ones((3, 2)), n_clusters=4, random_state=0)
