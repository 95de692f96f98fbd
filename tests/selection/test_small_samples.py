"""Selectors on a few rows of every degenerate kind: a partition, or a named error."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.small_samples import KINDS, SIZES, end, finite, sample
from threadpoolctl import threadpool_limits

from twofold.densities import unit_rows
from twofold.errors import NotEnoughImagesError
from twofold.selection import Selection, dominant_selection, refine
from twofold.selection.gmm import select_gmm
from twofold.selection.kmeans import select_kmeans
from twofold.selection.meanshift import select_meanshift
from twofold.selection.projection import project
from twofold.selection.trimmed import select_trimmed

SELECT: dict[str, tuple[Any, dict[str, Any]]] = {
    "kmeans": (select_kmeans, {}),
    "gmm": (select_gmm, {}),
    "gmm_full": (select_gmm, {"covariance": "full"}),
    "meanshift": (select_meanshift, {}),
    "trimmed": (select_trimmed, {}),
}


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make products this small many times slower."""
    with threadpool_limits(1):
        yield


def check(selection: Selection, rows: NDArray[np.floating]) -> None:
    """A partition, from which every choice of negatives can be made."""
    assert selection.labels.shape == selection.dominant.shape == (len(rows),)
    assert selection.dominant.any()
    for options in (
        {"merge_cosine": 0.5, "trim": 0.3, "weigh": True},
        {"negatives": "farthest", "trim": 0.9, "weigh": True},
    ):
        partition = refine(selection, unit_rows(rows), **options)
        assert len(partition.dominant)
        assert partition.weights is not None
        assert finite(partition.weights)


def run(name: str, kind: str, n: int, k: int, state: int) -> None:
    select, options = SELECT[name]
    rows = sample(kind, n, state)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "meanshift (made|kept)", UserWarning)
        found = end(select, rows, n_clusters=k, random_state=state, **options)
    assert (found is None) == (n < (1 if name in ("meanshift", "trimmed") else k))
    if found is not None:
        check(found, rows)


@pytest.mark.parametrize("name", ["kmeans", "gmm", "meanshift"])
@KINDS
def test_selectors(name: str, kind: str) -> None:
    for n, k in ((0, 1), (1, 1), (2, 3), (11, 3)):
        run(name, kind, n, k, 0)


@pytest.mark.slow
@pytest.mark.parametrize("name", SELECT)
@KINDS
def test_selectors_at_every_size(name: str, kind: str) -> None:
    # Mean shift does not use the number of clusters.
    for n, k in itertools.product(SIZES, (2,) if name == "meanshift" else (2, 5)):
        run(name, kind, n, k, 1)


@KINDS
def test_projection(kind: str) -> None:
    for n in SIZES:
        assert finite(project(sample(kind, n, 0)))


@pytest.mark.parametrize("kind", ["equal", "equal and huge", "rounding", "zeros"])
def test_copies_are_one_cluster(kind: str) -> None:
    """What is left of copies after centring is rounding, and no two clusters."""
    for n in (8, 11, 20):
        rows = sample(kind, n, 0)
        assert not project(rows).any()
        assert select_gmm(rows, n_clusters=3, random_state=0).n_clusters == 1


def test_no_label() -> None:
    with pytest.raises(NotEnoughImagesError, match="got 0"):
        dominant_selection(np.empty(0, dtype=np.int64))
