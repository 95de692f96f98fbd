"""Greedy centres against a slow loop and the best possible; projections; patches of images."""

from __future__ import annotations

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist, pdist

from twofold.eyes.coreset import greedy_centers, nested_coreset, patch_coreset, projection

Rows = NDArray[np.float32]


def draw(n: int, d: int, seed: int = 0) -> Rows:
    return np.random.default_rng(seed).normal(size=(n, d)).astype(np.float32)


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def radius(between: NDArray[np.float64], chosen: Any) -> float:
    """The largest distance of a row to the nearest chosen one."""
    return float(between[:, list(chosen)].min(axis=1).max())


def slow_centers(rows: Rows, k: int, first: int) -> list[int]:
    between = cdist(rows, rows)
    chosen = [first]
    while len(chosen) < k:
        best, farthest = -1, -1.0
        for row in range(len(rows)):
            nearest = min(between[row, other] for other in chosen)
            if nearest > farthest:
                best, farthest = row, nearest
        chosen.append(best)
    return chosen


@pytest.mark.parametrize(("n", "d", "k"), [(60, 5, 12), (25, 40, 25), (9, 1, 4)])
@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_equals_a_slow_loop(n: int, d: int, k: int, offset: float) -> None:
    rows = draw(n, d) + np.float32(offset)
    found = greedy_centers(rows, k, rng(3))
    assert found.tolist() == slow_centers(rows, k, int(found[0]))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("k", [1, 2, 3, 4])
def test_covers_within_twice_the_least_radius(k: int, seed: int) -> None:
    rows = draw(10, 2, seed)
    between = cdist(rows, rows)
    least = min(radius(between, chosen) for chosen in combinations(range(10), k))
    assert radius(between, greedy_centers(rows, k, rng(seed))) <= 2 * least + 1e-6


def test_all_rows_can_be_centres_and_none_twice() -> None:
    found = greedy_centers(draw(30, 3), 100, rng())
    assert sorted(found) == list(range(30))


def test_copies_are_chosen_once() -> None:
    rows = np.repeat(draw(7, 4) + np.float32(50), 20, axis=0)
    found = greedy_centers(rows, 100, rng())
    assert len(found) == 7
    assert len(np.unique(rows[found], axis=0)) == 7


@pytest.mark.parametrize("rows", [np.zeros((5, 3)), np.full((4, 2), 7.3), np.ones((1, 6))])
def test_rows_that_are_all_the_same_give_one(rows: Any) -> None:
    assert len(greedy_centers(rows.astype(np.float32), 3, rng())) == 1


def test_the_random_state_chooses_the_first_centre_alone() -> None:
    rows = draw(40, 3)
    same = [greedy_centers(rows, 6, rng(1)).tolist() for _ in range(2)]
    assert same[0] == same[1]
    assert len({int(greedy_centers(rows, 1, rng(seed))[0]) for seed in range(20)}) > 5


def test_a_projection_keeps_squared_distances() -> None:
    rows = draw(40, 300)
    mixing = projection(300, 64, rng())
    assert mixing is not None
    near = rows @ mixing
    assert near.shape == (40, 64)
    assert near.dtype == np.float32
    ratio = pdist(near, "sqeuclidean") / pdist(rows, "sqeuclidean")
    assert ratio.mean() == pytest.approx(1.0, abs=0.05)
    assert ratio.std() < 1.5 * np.sqrt(2 / 64)


def test_short_rows_are_not_projected() -> None:
    assert projection(64, 64, rng()) is None


def test_patches_are_those_of_the_images() -> None:
    patches = draw(6 * 9, 5).reshape(6, 9, 5).transpose(0, 2, 1).reshape(6, 5, 3, 3)
    given = {row.tobytes() for row in patches.transpose(0, 2, 3, 1).reshape(-1, 5).copy()}
    chosen = patch_coreset(patches, 20, 1000, rng())
    assert chosen.shape == (20, 5)
    assert chosen.dtype == np.float32
    assert {row.tobytes() for row in chosen} < given
    assert len(patch_coreset(patches, 1000, 1000, rng())) == 54


def test_few_candidates_are_drawn_from_everywhere() -> None:
    patches = draw(50 * 16, 4).reshape(50, 4, 4, 4)
    several = [patch_coreset(patches, 1000, 100, rng(seed)) for seed in (0, 0, 1)]
    assert all(len(chosen) == 100 for chosen in several)
    assert np.array_equal(several[0], several[1])
    assert not np.array_equal(several[0], several[2])
    rows = patches.reshape(50, 4, 16).transpose(0, 2, 1).reshape(-1, 4)
    images = {int(np.flatnonzero((rows == row).all(axis=1))[0]) // 16 for row in several[0]}
    assert len(images) > 25


def test_long_patches_are_chosen_as_whole_ones() -> None:
    """The projection decides which; what is kept is the patch itself, however long."""
    patches = draw(10 * 150 * 4, 1).reshape(10, 150, 2, 2)
    chosen = patch_coreset(patches, 15, 1000, rng())
    rows = patches.reshape(10, 150, 4).transpose(0, 2, 1).reshape(-1, 150)
    assert chosen.shape == (15, 150)
    assert all((rows == row).all(axis=1).any() for row in chosen)
    between = cdist(rows, rows)
    positions = [int(np.flatnonzero((rows == row).all(axis=1))[0]) for row in chosen]
    any_other = [radius(between, rng(seed).permutation(40)[:15]) for seed in range(20)]
    # All random patches are about equally far from each other: no choice is much better.
    assert radius(between, positions) < 1.1 * min(any_other)


def test_copies_that_rounding_parts_are_one() -> None:
    """Two kinds of patches, one of them far out: its copies are nearer than rounding can tell."""
    for seed in range(50):
        near, far = draw(1, 40, seed), 1e3 * draw(1, 40, seed + 1)
        rows = np.concatenate([np.repeat(near, 300, axis=0), np.repeat(far, 12, axis=0)])
        patches = rows.reshape(78, 4, 40).transpose(0, 2, 1).reshape(78, 40, 2, 2)
        chosen = patch_coreset(patches, 50, 1000, rng(seed))
        assert len(chosen) == len(np.unique(rows, axis=0)) == 2


def nested(rows: Rows, cuts: int, size: int, each: int, seed: int) -> Rows:
    return nested_coreset(iter(np.array_split(rows, cuts)), size, each, rng(seed))


def covering(rows: Rows, chosen: Rows) -> float:
    return float(cdist(rows, chosen).min(axis=1).max())


@pytest.mark.parametrize("d", [2, 8, 40])
@pytest.mark.parametrize("seed", range(4))
def test_a_coreset_of_coresets_covers_the_whole(d: int, seed: int) -> None:
    """Within the sum of both radii; and hardly worse than one greedy choice from everything."""
    rows, size, each = draw(2000, d, seed), 60, 48
    chosen = nested(rows, 5, size, each, seed)
    assert chosen.shape == (60, d)
    generator, sent, inner = rng(seed), [], 0.0
    for block in np.array_split(rows, 5):
        sent.append(block[greedy_centers(block, each, generator)])
        inner = max(inner, covering(block, sent[-1]))
    outer = covering(np.concatenate(sent), chosen)
    found = covering(rows, chosen)
    assert found <= inner + outer + 1e-6
    plain = covering(rows, rows[greedy_centers(rows, size, rng(seed))])
    assert found < 1.35 * plain


def test_what_one_block_alone_has_is_kept() -> None:
    rows = draw(1200, 6)
    rows[700] += np.float32(40)
    assert (nested(rows, 6, 20, 10, 0) == rows[700]).all(axis=1).any()


def test_one_block_is_a_plain_choice() -> None:
    rows = draw(300, 7)
    np.testing.assert_array_equal(nested(rows, 1, 20, 3, 5), rows[greedy_centers(rows, 20, rng(5))])


def test_many_candidates_are_chosen_from_block_by_block(monkeypatch: pytest.MonkeyPatch) -> None:
    patches = draw(50 * 16, 4).reshape(50, 4, 4, 4)
    rows = patches.reshape(50, 4, 16).transpose(0, 2, 1).reshape(-1, 4)
    whole = patch_coreset(patches, 40, 800, rng())
    monkeypatch.setattr("twofold.eyes.coreset._BLOCK", 100)
    found = patch_coreset(patches, 40, 800, rng())
    assert found.shape == whole.shape
    assert {row.tobytes() for row in found} <= {row.tobytes() for row in rows.copy()}
    assert covering(rows, found) < 1.35 * covering(rows, whole)
