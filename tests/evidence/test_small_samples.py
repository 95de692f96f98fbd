"""Every statistic on a few rows of every degenerate kind: in its range, or a named error."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.small_samples import KINDS, SIZES, STATES, end, finite, partner, sample, within
from threadpoolctl import threadpool_limits

from twofold.densities import leading_components, lesser_mode, multimodality
from twofold.evidence import LEAST_IMAGES, judge, study
from twofold.evidence.dominance import stability
from twofold.evidence.kinship import Kinship, kinship
from twofold.evidence.majority import distance_skewness
from twofold.evidence.ranking import extremes, rank_agreement
from twofold.evidence.shift import mmd_test, two_sample_test

Array = NDArray[np.float64]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make products this small many times slower."""
    with threadpool_limits(1):
        yield


@pytest.mark.slow
@KINDS
@STATES
def test_comparisons_of_two_sets(kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        few = sample(kind, n, state)
        for near, far in (
            (few, partner(kind, 12, state)),
            (partner(kind, 12, state), few),
            (few, sample(kind, n + 3, state + 9)),
        ):
            told = end(two_sample_test, near, far, permutations=4, random_state=state)
            mmd = end(mmd_test, near, far, permutations=4, random_state=state)
            related = end(kinship, near, far, random_state=state)
            for found in (told, mmd):
                assert (found is None) == (min(len(near), len(far)) < 4)
            assert told is None or within(0, 1, told.accuracy, told.auroc, told.p_value)
            assert mmd is None or (within(-2, 2, mmd.value) and within(0, 1, mmd.p_value))
            assert (related is None) == (min(len(near), len(far)) < 8)
            assert related is None or within(0, 1, related.low, related.value, related.high)
            assert related is None or related.low <= related.value <= related.high


@KINDS
@STATES
def test_the_dominant_cluster(kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        rows = sample(kind, n, state)
        components = leading_components(rows, random_state=state)
        assert len(components) == n
        assert finite(components)
        modes = end(multimodality, rows, simulations=2, random_state=state)
        assert (modes is None) == (n < 10)
        if modes is not None:
            assert within(0, 1, modes.separation, modes.valley, modes.p_value)
            assert within(0, 0.5, modes.minor_low, modes.minor_share)
            assert modes.minor_low <= modes.minor_share
        lesser = end(lesser_mode, rows, most=0.5)
        assert lesser is None or (0 < lesser.sum() <= n / 2 and n >= 10)


@KINDS
@STATES
def test_the_skewness_of_distances(kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        found = end(distance_skewness, sample(kind, n, state), random_state=state)
        assert (found is None) == (n < 4)
        if found is not None:
            assert finite(found.low, found.value, found.high)
            assert found.low <= found.value <= found.high
            if "equal" in kind or kind in ("zeros", "rounding"):
                assert kind == "rounding" or found.value == found.low == found.high == 0.0


@KINDS
@STATES
def test_clusters_of_parts(kind: str, states: range) -> None:
    for n, state in ((n, state) for n in (0, 1, 2, 4, 10) for state in states):
        rows = sample(kind, n, state)
        stable = end(stability, rows, n_clusters=(1, 3), bootstraps=1, random_state=state)
        assert (stable is None) == (n < 4)
        assert stable is None or within(0, 1, stable.agreement, stable.shares, stable.across)


# With these some of the hundred flat samples lie all on one side.
@pytest.mark.parametrize(("n", "state"), [(10, 1), (11, 14), (12, 40), (13, 17), (14, 14)])
def test_a_simulated_sample_may_lie_all_on_one_side(n: int, state: int) -> None:
    rows = np.random.default_rng(state).normal(size=(n, 8))
    found = multimodality(rows, random_state=state)
    assert within(0, 1, found.separation, found.valley, found.p_value)


@KINDS
def test_rankings(kind: str) -> None:
    for n in SIZES:
        first, second = (sample(kind, n, state)[:, 0] for state in (0, 1))
        for other in (first, second, -first, np.abs(second)):
            found = end(rank_agreement, first, other)
            assert (found is None) == (n < 2)
            assert found is None or within(-1, 1, found.kendall, found.spearman)
            assert found is None or within(0, 1, found.top_overlap, found.chance_overlap)
        lowest, highest = extremes(first, [str(i) for i in range(n)], 3)
        assert len(lowest) == len(highest) == min(n, 3)


@pytest.mark.parametrize(
    "kind", ["usual", "duplicates", pytest.param("one outlier", marks=pytest.mark.slow)]
)
def test_a_whole_study_and_its_verdict(kind: str) -> None:
    for n in (9, 10):
        rows, normals = sample(kind, n, 0), partner(kind, 12, 0)
        found = study(
            normals,
            rows,
            names=tuple(str(i) for i in range(n)),
            adapted=np.square(rows).sum(axis=1),
            random_state=0,
        )
        assert (found is None) == (n < LEAST_IMAGES)
        for rate in (0.05, 0.3):
            verdict = judge(found, n_source=12, n_target=n, false_alarm_rate=rate)
            assert all(len(line.splitlines()) == 1 for line in (verdict.verdict, *verdict.reasons))


@pytest.mark.parametrize("n", [8, 11, 20])
def test_the_kinship_of_copies_is_unknown(n: int) -> None:
    """What their means leave of them is rounding, whose directions mean nothing."""
    for state in range(12):
        rng = np.random.default_rng([n, state])
        for d in (3, 20, 64):
            usual, copies = rng.normal(size=(20, d)), np.tile(rng.normal(size=d), (n, 1))
            for near, far in ((usual, copies), (copies, usual), (copies, 3 * copies)):
                assert kinship(near, far, random_state=state) == Kinship(0.0, 0.0, 1.0)


def test_kinship_of_rows_with_few_dimensions_is_no_quotient_of_rounding() -> None:
    for state in range(20):
        near, far = np.random.default_rng(state).normal(size=(2, 24, 5))
        assert kinship(near, far, random_state=state) == Kinship(0.0, 0.0, 1.0)


def slow_mmd(source: Array, target: Array) -> float:
    """With exact distances, which are 0 between copies."""
    rows = np.concatenate([source, target])
    squared = np.square(rows[:, None] - rows).sum(axis=2)
    pairs = squared[np.triu_indices(len(rows), 1)]
    kernel = np.exp(-squared / (2 * (float(np.median(pairs)) or float(pairs.mean()))))
    np.fill_diagonal(kernel, 0.0)
    n, m = len(source), len(target)
    within_source = kernel[:n, :n].sum() / (n * (n - 1))
    within_target = kernel[n:, n:].sum() / (m * (m - 1))
    return float(within_source + within_target - 2 * kernel[:n, n:].mean())


def test_the_mmd_of_copies_does_not_hang_on_rounding() -> None:
    for state, d in itertools.product(range(6), (3, 20, 64)):
        one, other = np.random.default_rng(state).normal(size=(2, d))
        source = np.tile(one, (10, 1))
        target = np.concatenate([np.tile(one, (7, 1)), np.tile(other, (3, 1))])
        found = mmd_test(source, target, permutations=4, random_state=0)
        assert found.value == pytest.approx(slow_mmd(source, target), rel=1e-9)
