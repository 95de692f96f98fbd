"""Which images belong together: copies, near-copies, frames, and what the user says."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.densities import unit_rows
from twofold.thresholds import find_groups

Array = NDArray[np.float64]


def distinct(n: int, seed: int = 0, d: int = 40) -> Array:
    return unit_rows(np.random.default_rng(seed).normal(size=(n, d)))


def near(rows: Array, by: float, seed: int = 1) -> Array:
    """Rows moved by about ``by`` of the usual distance, which is about the root of 2."""
    noise = np.random.default_rng(seed).normal(size=rows.shape)
    noise *= by * np.sqrt(2) / np.linalg.norm(noise, axis=1, keepdims=True)
    return unit_rows(rows + noise)


def names(n: int, prefix: str = "") -> list[str]:
    order = np.random.default_rng(5).permutation(n)
    return [f"{prefix}{place}.png" for place in order]


def test_distinct_images_are_alone() -> None:
    found = find_groups(distinct(200), names(200), [str(i) for i in range(200)])
    np.testing.assert_array_equal(found, np.arange(200))


@pytest.mark.parametrize("times", [2, 5])
@pytest.mark.parametrize("by", [0.0, 0.05, 0.1])
def test_copies_and_near_copies_are_one_group(times: int, by: float) -> None:
    rows = distinct(60)
    all_rows = np.concatenate([near(rows, by, seed) if seed else rows for seed in range(times)])
    found = find_groups(all_rows, names(len(all_rows)), [str(i) for i in range(len(all_rows))])
    np.testing.assert_array_equal(found, np.tile(np.arange(60), times))


def test_files_with_equal_content_are_one_group_whatever_the_vectors_say() -> None:
    found = find_groups(distinct(6), names(6), ["a", "b", "a", "c", "b", "a"])
    np.testing.assert_array_equal(found, [0, 1, 0, 2, 1, 0])


def test_frames_in_order_are_one_scene_until_it_has_changed() -> None:
    """Ten scenes of twelve frames, each a small step from the last; the file order is the time."""
    rng = np.random.default_rng(0)
    frames = []
    for scene in distinct(10, d=200):
        here = scene
        for _ in range(12):
            frames.append(here)
            here = unit_rows((here + rng.normal(size=200) * 0.012)[None])[0]
    file_names = [f"frame_{i}.png" for i in range(120)]
    shuffled = rng.permutation(120)
    found = find_groups(
        np.array(frames)[shuffled], [file_names[i] for i in shuffled], [str(i) for i in range(120)]
    )
    scenes = found[np.argsort(shuffled)].reshape(10, 12)
    # A scene may be cut, never joined with another.
    assert all(len(set(scenes[i]) & set(scenes[j])) == 0 for i in range(10) for j in range(i))
    assert len(np.unique(found)) <= 30


def test_the_users_groups_join_what_is_found() -> None:
    rows = distinct(6)
    given = np.array([7, 7, 3, 3, 9, 9])
    found = find_groups(rows, names(6), ["a", "b", "b", "c", "d", "e"], given)
    np.testing.assert_array_equal(found, [0, 0, 0, 0, 1, 1])


def test_a_set_in_which_all_look_alike_is_no_set_of_copies() -> None:
    rows = np.concatenate([distinct(1), near(np.repeat(distinct(1), 30, axis=0), 1e-9)])
    found = find_groups(rows, names(31), [str(i) for i in range(31)])
    np.testing.assert_array_equal(found, np.arange(31))


@pytest.mark.parametrize("n", [0, 1, 2])
def test_tiny_sets(n: int) -> None:
    found = find_groups(distinct(n) if n else np.empty((0, 4)), names(n), ["x"] * n)
    assert found.tolist() == [0] * n
