"""Folds of a set whose images belong together in groups."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.methods.base import folds

Groups = NDArray[np.int64]


def whole(groups: Groups, parts: list[NDArray[np.bool_]]) -> bool:
    """Whether each image is in one fold, with all of its group."""
    once = bool((np.sum(parts, axis=0) == 1).all())
    return once and all(len(np.unique(groups[part])) == count(groups, part) for part in parts)


def count(groups: Groups, part: NDArray[Any]) -> int:
    """Groups that have no image outside of the part."""
    return len(np.setdiff1d(groups[part], groups[~part]))


@pytest.mark.parametrize("k", [2, 3, 10])
@pytest.mark.parametrize("seed", range(5))
def test_a_group_is_in_one_fold(k: int, seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 30, 120)
    parts = folds(groups, k, seed)
    assert len(parts) == k
    assert whole(groups, parts)
    # As equal as groups allow: the fullest was the emptiest before it got its last group.
    sizes = [int(part.sum()) for part in parts]
    assert max(sizes) - min(sizes) <= np.bincount(groups).max()


def test_images_on_their_own_are_shared_out_evenly() -> None:
    sizes = sorted(int(part.sum()) for part in folds(np.arange(43), 10, 0))
    assert sizes == [4] * 7 + [5] * 3


def test_what_groups_are_called_does_not_matter() -> None:
    groups = np.random.default_rng(0).integers(0, 12, 50)
    renamed = np.random.default_rng(1).permutation(1000)[groups]
    for one, other in zip(folds(groups, 5, 3), folds(renamed, 5, 3), strict=True):
        np.testing.assert_array_equal(one, other)


def test_random_states_give_other_folds_and_the_same_state_the_same() -> None:
    groups = np.repeat(np.arange(20), 3)
    first, again, other = (np.array(folds(groups, 4, state)) for state in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


def test_fewer_groups_than_folds() -> None:
    groups = np.repeat(np.arange(3), 5)
    parts = folds(groups, 10, 0)
    assert [int(part.sum()) for part in parts] == [5, 5, 5]
    assert whole(groups, parts)


@pytest.mark.parametrize("large", [21, 40])
def test_a_group_of_more_than_half_is_taken_apart(large: int) -> None:
    """A fold of it would leave too little to fit to."""
    groups = np.concatenate([np.zeros(large, dtype=np.int64), np.arange(1, 41 - large)])
    parts = folds(groups, 4, 0)
    assert [int(part.sum()) for part in parts] == [10] * 4
    half = np.repeat([0, 1], 20)
    assert whole(half, folds(half, 4, 0))


def test_groups_of_each_label_are_shared_out() -> None:
    groups = np.repeat(np.arange(20), 2)
    labels = (groups < 4).astype(np.int64)
    parts = folds(groups, 4, 0, labels)
    assert whole(groups, parts)
    assert [int(labels[part].sum()) for part in parts] == [2, 2, 2, 2]
