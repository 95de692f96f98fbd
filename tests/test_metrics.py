"""Metrics against scikit-learn, on any scale of the scores, and their intervals."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import rankdata
from sklearn.metrics import average_precision_score, roc_auc_score, roc_curve

from twofold.errors import UsageError
from twofold.metrics import (
    auroc,
    average_precision,
    average_ranks,
    bootstrap,
    fpr_at_tpr,
    proportion,
)

Array = NDArray[np.float64]
SHAPES = [(1, 1), (1, 9), (7, 1), (50, 20), (200, 3), (300, 300)]


def sample(n: int, m: int, *, ties: bool) -> tuple[Array, Array]:
    generator = np.random.default_rng(100 * n + m)
    low, high = generator.normal(0, 1, n), generator.normal(0.7, 1.5, m)
    return (np.round(low), np.round(high)) if ties else (low, high)


def together(low: Array, high: Array) -> tuple[NDArray[np.int64], Array]:
    labels = np.repeat([0, 1], [len(low), len(high)])
    return labels, np.concatenate([low, high])


def literal_fpr(low: Array, high: Array, tpr: float) -> float:
    """The false-positive rate at the first point of scikit-learn's curve with enough hits."""
    fpr, hits, _ = roc_curve(*together(low, high), drop_intermediate=False)
    return float(fpr[np.argmax(hits >= tpr - 1e-12)])


@pytest.mark.parametrize("ties", [False, True])
@pytest.mark.parametrize(("n", "m"), SHAPES)
def test_metrics_equal_scikit_learn(n: int, m: int, *, ties: bool) -> None:
    low, high = sample(n, m, ties=ties)
    assert auroc(low, high) == pytest.approx(roc_auc_score(*together(low, high)), abs=1e-12)
    wanted = average_precision_score(*together(low, high))
    assert average_precision(low, high) == pytest.approx(wanted, abs=1e-12)
    for tpr in (0.5, 0.9, 0.95, 1.0):
        wanted = literal_fpr(low, high, tpr)
        assert fpr_at_tpr(low, high, tpr) == pytest.approx(wanted, abs=1e-12)


@pytest.mark.parametrize("metric", [auroc, average_precision, fpr_at_tpr])
@pytest.mark.parametrize(("factor", "shift"), [(1e6, 0), (1e-6, 0), (1, 1e4), (1, -1e4), (2, -9)])
def test_scale_and_sign_of_the_scores_do_not_matter(
    metric: Callable[[Array, Array], float], factor: float, shift: float
) -> None:
    low, high = (np.round(values, 4) for values in sample(80, 40, ties=False))
    assert metric(factor * low + shift, factor * high + shift) == metric(low, high)


@pytest.mark.parametrize("metric", [auroc, average_precision, fpr_at_tpr])
def test_arguments_are_left_alone_and_must_not_be_empty(
    metric: Callable[[Array, Array], float],
) -> None:
    low, high = sample(20, 10, ties=False)
    copies = low.copy(), high.copy()
    metric(low, high)
    assert np.array_equal(low, copies[0])
    assert np.array_equal(high, copies[1])
    for pair in ((low, low[:0]), (high[:0], high)):
        with pytest.raises(UsageError, match="at least one"):
            metric(*pair)


def test_known_values() -> None:
    low, high = np.array([0.0, 1.0]), np.array([2.0, 3.0])
    assert (auroc(low, high), average_precision(low, high), fpr_at_tpr(low, high)) == (1, 1, 0)
    assert (auroc(high, low), fpr_at_tpr(high, low)) == (0, 1)
    same = np.ones(4)
    assert (auroc(same, same), average_precision(same, same[:1])) == (0.5, 0.2)


def test_a_bootstrap_interval_holds_its_value_and_repeats() -> None:
    low, high = sample(60, 40, ties=False)
    first, second = bootstrap(auroc, low, high), bootstrap(auroc, low, high)
    assert first == second
    assert first.value == auroc(low, high)
    assert first.low < first.value < first.high
    wide = bootstrap(auroc, low[:15], high[:10])
    assert wide.high - wide.low > first.high - first.low
    assert bootstrap(auroc, low, high, random_state=1) != first


def test_a_bootstrap_interval_of_perfect_scores_is_a_point() -> None:
    estimate = bootstrap(auroc, np.zeros(5), np.ones(5))
    assert (estimate.low, estimate.value, estimate.high) == (1, 1, 1)


@pytest.mark.slow
def test_bootstrap_intervals_cover_the_truth() -> None:
    generator = np.random.default_rng(0)
    covered = 0
    for _ in range(30):  # AUROC of N(0, 1) against N(1, 1) is Phi(1 / sqrt 2)
        estimate = bootstrap(auroc, generator.normal(0, 1, 60), generator.normal(1, 1, 60))
        covered += estimate.low <= 0.760250 <= estimate.high
    assert covered >= 25


@pytest.mark.parametrize("n", [1, 12, 400])
def test_a_proportion_has_wilsons_interval(n: int) -> None:
    z = 1.959963984540054
    for k in sorted({0, n // 3, n}):
        share = k / n
        middle = (share + z**2 / (2 * n)) / (1 + z**2 / n)
        half = z / (1 + z**2 / n) * np.sqrt(share * (1 - share) / n + z**2 / (4 * n**2))
        estimate = proportion(k, n)
        assert estimate.value == share
        assert (estimate.low, estimate.high) == pytest.approx(
            (max(middle - half, 0), min(middle + half, 1)), abs=1e-12
        )


def test_a_proportion_of_nothing_is_refused() -> None:
    with pytest.raises(UsageError, match="at least one"):
        proportion(0, 0)


@pytest.mark.parametrize("values", [[], [3.0], [1.0, 1.0, 1.0], [2.0, -1.0, 2.0, 5.0, -1.0, 2.0]])
def test_ranks_of_equal_values_are_the_mean_of_theirs(values: list[float]) -> None:
    given = np.array(values)
    np.testing.assert_array_equal(average_ranks(given), rankdata(given))
