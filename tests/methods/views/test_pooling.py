"""Three ways from patches to a score, and what each of them sees."""

from __future__ import annotations

from typing import get_args

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from twofold.eyes import top_mean
from twofold.methods.views.pooling import (
    WINDOWS,
    ImageScore,
    Pooling,
    fit_pooling,
    largest_means,
)

GRID = (12, 17)


def distances(n: int, seed: int) -> NDArray[np.float64]:
    return np.random.default_rng(seed).chisquare(4, (n, GRID[0] * GRID[1]))


def slow_means(maps: NDArray[np.float64]) -> NDArray[np.float64]:
    n, rows, columns = maps.shape
    found = np.zeros((n, len(WINDOWS)))
    for place, side in enumerate(WINDOWS):
        for top in range(rows - side + 1):
            for left in range(columns - side + 1):
                mean = maps[:, top : top + side, left : left + side].mean(axis=(1, 2))
                found[:, place] = np.maximum(found[:, place], mean)
    return found


def test_the_largest_means_are_those_of_all_windows() -> None:
    maps = distances(5, 0).reshape(-1, *GRID)
    np.testing.assert_allclose(largest_means(maps), slow_means(maps), rtol=1e-12)
    assert largest_means(maps[:, :3]).shape == (5, 2)
    assert (largest_means(np.zeros((2, *GRID))) == 0).all()


@pytest.mark.parametrize("kind", ["oddest", "peak"])
def test_the_oddest_and_the_peak(kind: ImageScore) -> None:
    given = distances(6, 1)
    found = fit_pooling(kind, given, GRID, None).scores(given, GRID, None)
    np.testing.assert_array_equal(found, top_mean(given, 3 if kind == "oddest" else 1))


def separated(kind: ImageScore, side: int, more: float) -> float:
    """AUROC of images with an odd square against normal ones, both new."""
    pooling = fit_pooling(kind, distances(200, 2), GRID, None)
    normal, odd = distances(300, 3), distances(300, 4)
    odd.reshape(-1, *GRID)[:, 2 : 2 + side, 5 : 5 + side] += more
    scores = [pooling.scores(given, GRID, None) for given in (normal, odd)]
    return float(roc_auc_score(np.repeat([0, 1], 300), np.concatenate(scores)))


def test_a_wide_faint_flaw_is_seen_by_its_size_alone() -> None:
    assert separated("size", 8, 2.0) > 0.95
    assert separated("peak", 8, 2.0) < 0.75


def test_a_single_odd_patch_is_seen_by_all() -> None:
    found = {kind: separated(kind, 1, 20.0) for kind in get_args(ImageScore)}
    assert found["size"] > found["peak"] - 0.05
    assert min(found.values()) > 0.8


def test_what_is_not_looked_at_does_not_count() -> None:
    looked_at = np.ones((50, GRID[0] * GRID[1]), dtype=np.bool_)
    looked_at[:, :40] = False
    given = distances(50, 5)
    loud = np.where(looked_at, given, 1e6)
    for kind in get_args(ImageScore):
        pooling = fit_pooling(kind, given, GRID, looked_at)
        assert pooling == fit_pooling(kind, loud, GRID, looked_at)
        np.testing.assert_array_equal(
            pooling.scores(given, GRID, looked_at), pooling.scores(loud, GRID, looked_at)
        )


def test_scales_come_back() -> None:
    pooling = fit_pooling("size", distances(40, 6), GRID, None)
    assert Pooling.from_array(pooling.to_array()) == pooling


@pytest.mark.parametrize(
    "array",
    [
        np.ones(4),
        np.ones((2, 3)),
        np.ones((0, 2)),
        np.ones((9, 2)),
        -np.ones((2, 2)),
        [[np.nan, 1]],
    ],
    ids=str,
)
def test_strange_scales_are_refused(array: NDArray[np.float64]) -> None:
    with pytest.raises(ValueError, match="scales of windows"):
        Pooling.from_array(np.asarray(array))
