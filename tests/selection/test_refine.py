"""Refined partitions: on a circle, where every distance is known, and against slow loops."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.errors import ConfigError
from twofold.selection import Partition, Selection, dominant_selection, refine

Array = NDArray[np.float64]


def circle(*degrees: float) -> Array:
    angles = np.radians(degrees)
    return np.stack([np.cos(angles), np.sin(angles)], axis=1)


def random_pool(n: int = 60, d: int = 5, k: int = 4, seed: int = 0) -> tuple[Selection, Array]:
    generator = np.random.default_rng(seed)
    rows = generator.normal(size=(n, d))
    rows /= np.linalg.norm(rows, axis=1, keepdims=True)
    return dominant_selection(generator.integers(k, size=n)), rows


# Cluster 0 around 0 degrees, 1 near it, 2 opposite.
POOL = circle(0, -10, 10, 20, -25, 60, 70, 180, 190)
SELECTION = dominant_selection(np.array([0, 0, 0, 0, 0, 1, 1, 2, 2]))


def parts(partition: Partition) -> tuple[list[int], list[int]]:
    return partition.dominant.tolist(), partition.others.tolist()


@pytest.mark.parametrize("seed", range(3))
def test_the_defaults_are_inside_and_outside(seed: int) -> None:
    selection, rows = random_pool(seed=seed)
    partition = refine(selection, rows)
    np.testing.assert_array_equal(partition.dominant, np.flatnonzero(selection.dominant))
    np.testing.assert_array_equal(partition.others, np.flatnonzero(~selection.dominant))
    assert partition.dominant.dtype == partition.others.dtype == np.intp
    assert partition.weights is None


@pytest.mark.parametrize(
    ("cosine", "inside"),
    [(1.0, 5), (0.5, 5), (0.4, 7), (-0.9, 7), (-1.0, 9)],  # 66 degrees apart: cosine .41
)
def test_clusters_that_point_the_same_way_are_merged(cosine: float, inside: int) -> None:
    partition = refine(SELECTION, POOL, merge_cosine=cosine)
    assert parts(partition) == (list(range(inside)), list(range(inside, 9)))


def test_merging_makes_no_chain() -> None:
    # 2 is close to 1, and 1 to 0, but 2 is not close to 0.
    pool, selection = circle(0, 0, 0, 50, 50, 100), dominant_selection(np.array([0, 0, 0, 1, 1, 2]))
    partition = refine(selection, pool, merge_cosine=0.6)
    assert parts(partition) == ([0, 1, 2, 3, 4], [5])


def test_a_cluster_that_cancels_out_has_cosine_zero() -> None:
    selection = dominant_selection(np.array([0, 0, 0, 1, 1]))
    pool = np.array([[1.0, 0], [1, 0], [1, 0], [1, 0], [-1, 0]])
    assert refine(selection, pool, merge_cosine=0.0).others.tolist() == [3, 4]
    assert refine(selection, pool, merge_cosine=-0.1).others.tolist() == []


@pytest.mark.parametrize(
    ("trim", "left"),
    [(0.0, [0, 1, 2, 3, 4]), (0.19, [0, 1, 2, 3, 4]), (0.2, [0, 1, 2, 3]), (0.4, [0, 1, 2])],
)
def test_the_farthest_of_the_cluster_are_trimmed_and_used_for_nothing(
    trim: float, left: list[int]
) -> None:
    assert parts(refine(SELECTION, POOL, trim=trim)) == (left, [5, 6, 7, 8])


@pytest.mark.parametrize(("n", "trim", "dropped"), [(100, 0.29, 29), (10, 0.1, 1), (3, 0.999, 2)])
def test_the_trimmed_share_is_rounded_down(n: int, trim: float, dropped: int) -> None:
    rows = random_pool(n=n)[1]
    partition = refine(dominant_selection(np.zeros(n, dtype=np.int64)), rows, trim=trim)
    assert len(partition.dominant) == n - dropped


def test_trimming_follows_merging() -> None:
    partition = refine(SELECTION, POOL, merge_cosine=0.4, trim=1 / 7)
    # The merged centroid points to 17 degrees: 70 is farthest.
    assert parts(partition) == ([0, 1, 2, 3, 4, 5], [7, 8])


@pytest.mark.parametrize(
    ("share", "others"), [(0.05, [7]), (1 / 9, [7]), (0.2, [7, 8]), (0.4, [5, 6, 7, 8])]
)
def test_the_farthest_share_of_the_pool_is_pushed_away(share: float, others: list[int]) -> None:
    partition = refine(SELECTION, POOL, negatives="farthest", negative_share=share)
    assert parts(partition) == ([0, 1, 2, 3, 4], others)


@pytest.mark.parametrize("n", [10, 30, 31, 70, 100])
def test_a_tenth_rounded_up_is_the_default_share(n: int) -> None:
    selection, rows = random_pool(n=n)
    assert len(refine(selection, rows, negatives="farthest").others) == -(-n // 10)


def test_far_rows_of_the_dominant_cluster_become_negatives() -> None:
    selection = dominant_selection(np.array([0, 0, 0, 0, 1, 1]))
    pool = circle(0, 1, 2, 150, 30, 31)
    partition = refine(selection, pool, negatives="farthest", negative_share=1 / 6)
    assert parts(partition) == ([0, 1, 2], [3])
    trimmed = refine(selection, pool, trim=0.25, negatives="farthest", negative_share=1 / 6)
    assert parts(trimmed) == ([0, 1, 2], [3])
    assert parts(refine(selection, pool, trim=0.25)) == ([0, 1, 2], [4, 5])


@pytest.mark.parametrize("share", [0.1, 0.5, 0.99])
@pytest.mark.parametrize("n", [1, 2, 5])
def test_one_positive_is_always_left(n: int, share: float) -> None:
    selection = dominant_selection(np.zeros(n, dtype=np.int64))
    same = refine(selection, np.ones((n, 1)), negatives="farthest", negative_share=share, trim=0.9)
    assert len(same.dominant) >= 1
    assert not set(same.dominant) & set(same.others)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("trim", [0.0, 0.3])
@pytest.mark.parametrize("share", [0.1, 0.45])
def test_equals_a_loop(share: float, trim: float, seed: int) -> None:
    selection, rows = random_pool(seed=seed)
    partition = refine(
        selection, rows, trim=trim, negatives="farthest", negative_share=share, weigh=True
    )
    center = sum(row for row, kept in zip(rows, selection.dominant, strict=True) if kept)
    center = center / selection.dominant.sum()
    distances = [math.dist(row, center) for row in rows]
    order = sorted(range(len(rows)), key=distances.__getitem__)
    others = set(order[len(order) - math.ceil(share * len(rows)) :])
    members = [i for i in order if selection.dominant[i]]
    kept = set(members[: len(members) - int(trim * len(members))]) - others
    assert parts(partition) == (sorted(kept), sorted(others))
    mean = sum(distances[i] for i in others) / len(others)
    expected = [distances[i] / mean for i in sorted(others)]
    assert partition.weights is not None
    np.testing.assert_allclose(partition.weights, expected, rtol=1e-6)


@pytest.mark.parametrize("negatives", ["outside", "farthest"])
def test_weights_grow_with_the_distance_and_have_mean_one(negatives: Any) -> None:
    selection, rows = random_pool()
    weights = refine(selection, rows, negatives=negatives, weigh=True).weights
    assert weights is not None
    assert weights.dtype == np.float32
    assert weights.mean() == pytest.approx(1, abs=1e-6)
    assert (weights >= 0).all()
    on_circle = refine(SELECTION, POOL, weigh=True)
    assert on_circle.weights is not None
    assert on_circle.weights[0] < on_circle.weights[1] < on_circle.weights[2]


def test_weights_of_copies_and_of_no_negatives() -> None:
    copies = refine(dominant_selection(np.array([0, 0, 1])), np.ones((3, 1)), weigh=True)
    assert copies.weights is not None
    assert copies.weights.tolist() == [1.0]
    nothing = refine(dominant_selection(np.zeros(3, dtype=int)), np.ones((3, 1)), weigh=True)
    assert nothing.others.tolist() == []
    assert nothing.weights is not None
    assert nothing.weights.shape == (0,)


OPTIONS: dict[str, Any] = {
    "merge_cosine": 0.3,
    "trim": 0.2,
    "negatives": "farthest",
    "negative_share": 0.3,
    "weigh": True,
}


def test_the_order_of_the_pool_and_the_names_of_clusters_do_not_matter() -> None:
    selection, rows = random_pool()
    labels = np.array([7, 3, 9, 5])[selection.labels]
    renamed = Selection(labels=labels, dominant=selection.dominant)
    plain = refine(selection, rows, **OPTIONS)
    assert parts(refine(renamed, rows, **OPTIONS)) == parts(plain)
    order = np.random.default_rng(1).permutation(len(rows))
    moved = Selection(labels=selection.labels[order], dominant=selection.dominant[order])
    permuted = refine(moved, rows[order], **OPTIONS)
    assert sorted(order[permuted.dominant].tolist()) == plain.dominant.tolist()
    assert sorted(order[permuted.others].tolist()) == plain.others.tolist()


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_inputs_are_not_changed_and_may_be_of_low_precision(dtype: type[np.floating]) -> None:
    selection, rows = random_pool()
    rows, dominant = rows.astype(dtype), selection.dominant.copy()
    rows.flags.writeable = False
    selection.labels.flags.writeable = False
    partition = refine(selection, rows, **OPTIONS)
    np.testing.assert_array_equal(selection.dominant, dominant)
    assert len(partition.others) == 18


def test_a_partition_cannot_be_rebound() -> None:
    partition = refine(SELECTION, POOL)
    with pytest.raises(dataclasses.FrozenInstanceError):
        partition.weights = None  # type: ignore[misc]


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("merge_cosine", [-1.1, 1.1, math.nan]),
        ("trim", [-0.1, 1.0, math.nan]),
        ("negative_share", [0.0, 1.0, -0.5, math.nan]),
        ("negatives", ["inside", ""]),
    ],
)
def test_options_out_of_range_are_refused(name: str, values: list[Any]) -> None:
    for value in values:
        with pytest.raises(ConfigError, match=name):
            refine(SELECTION, POOL, **{name: value})
