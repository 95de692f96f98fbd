"""The dominant cluster of a labelling."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from twofold.selection import Selection, dominant_selection


@pytest.mark.parametrize(
    ("labels", "dominant"),
    [
        ([0], [1]),
        ([0, 1, 1], [0, 1, 1]),
        ([2, 0, 2, 1, 2], [1, 0, 1, 0, 1]),
        ([1, 0, 0, 1], [0, 1, 1, 0]),  # a tie: label 0
        ([2, 1, 0], [0, 0, 1]),
        ([5, 5, 3, 3], [0, 0, 1, 1]),  # labels in between may be unused
    ],
)
def test_the_largest_cluster_wins_and_ties_go_to_the_lowest_label(
    labels: list[int], dominant: list[int]
) -> None:
    selection = dominant_selection(np.array(labels))
    assert selection.labels.tolist() == labels
    assert selection.labels.dtype == np.int64
    assert selection.dominant.tolist() == [bool(value) for value in dominant]
    assert selection.dominant.dtype == np.bool_


@pytest.mark.parametrize("dtype", [np.int8, np.uint8, np.int32, np.uint32, np.int64])
def test_any_integer_labels_do(dtype: type[np.integer]) -> None:
    labels = np.array([1, 1, 0], dtype=dtype)
    assert dominant_selection(labels).dominant.tolist() == [True, True, False]
    assert labels.dtype == dtype


def test_share_and_number_of_clusters() -> None:
    selection = dominant_selection(np.array([0, 4, 4, 2]))
    assert selection.share == 0.5
    assert selection.n_clusters == 3


def test_a_selection_cannot_be_rebound() -> None:
    selection = Selection(labels=np.zeros(1, dtype=np.int64), dominant=np.ones(1, dtype=np.bool_))
    with pytest.raises(dataclasses.FrozenInstanceError):
        selection.labels = np.ones(1, dtype=np.int64)  # type: ignore[misc]
