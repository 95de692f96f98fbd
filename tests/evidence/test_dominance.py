"""Dominance: against slow versions, and on pools whose groups are known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.densities import leading_components
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.evidence.dominance import stability
from twofold.selection.kmeans import select_kmeans

Array = NDArray[np.float64]


def groups(*sizes: int, distance: float, seed: int = 0, d: int = 12) -> Array:
    """Gaussian groups along one line, so far apart in standard deviations."""
    rows = np.random.default_rng(seed).normal(size=(sum(sizes), d))
    rows[:, d // 2] += distance * np.repeat(np.arange(len(sizes)), sizes)
    return rows


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


def test_large_pools_are_thinned_and_inputs_left_alone() -> None:
    pool = groups(2000, 400, distance=9.0, d=2).astype(np.float32)
    before = pool.copy()
    assert stability(pool, n_clusters=(2,), bootstraps=1, random_state=1).agreement == (1.0,)
    np.testing.assert_array_equal(pool, before)


def test_all_the_same_rows_are_one_cluster() -> None:
    assert stability(np.ones((12, 5)), n_clusters=(2,), random_state=0).agreement == (1.0,)


def test_named_errors() -> None:
    pool = groups(10, distance=0.0)
    with pytest.raises(NotEnoughImagesError, match="at least 7 target images, got 6"):
        stability(pool[:6], random_state=0)
    with pytest.raises(ConfigError, match="bootstrap"):
        stability(pool, bootstraps=0, random_state=0)
    with pytest.raises(ConfigError, match="bootstrap"):
        stability(pool, n_clusters=(), random_state=0)
    with pytest.raises(ConfigError, match="n_clusters"):
        stability(pool, n_clusters=(0,), random_state=0)
