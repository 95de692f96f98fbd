"""The order of asking: prefixes are simple random samples of each stratum, in fixed proportions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from scipy.stats import chisquare

from twofold.errors import UsageError
from twofold.marks import STRATA, draw_design

rng = np.random.default_rng(3)
NORMAL = rng.normal(size=400)
SETS = {
    "usual": (NORMAL, 1.6),
    "none above": (NORMAL, 99.0),
    "all above": (NORMAL, -99.0),
    "one image": (np.array([0.5]), 0.0),
    "two images": (np.array([0.5, 0.7]), 0.6),
    "constant": (np.ones(30), 1.0),
    "constant above": (np.ones(30), 0.0),
    "ties": (rng.integers(0, 4, size=200).astype(float), 2.0),
    "infinite": (np.array([-np.inf, 0.0, 1.0, np.inf]), 0.5),
    "single precision": (NORMAL.astype(np.float32), 1.6),
}
each_set = pytest.mark.parametrize(("scores", "threshold"), SETS.values(), ids=SETS)


@each_set
def test_strata_follow_the_scores_and_never_cross_the_threshold(
    scores: np.ndarray, threshold: float
) -> None:
    design = draw_design(scores, threshold, 0)
    assert design.names == STRATA
    assert design.strata.dtype == design.order.dtype == np.int64
    np.testing.assert_array_equal(np.sort(design.order), np.arange(len(scores)))
    np.testing.assert_array_equal(design.strata == 3, scores > threshold)
    for low, high in zip(range(3), range(1, 4), strict=True):
        below, above = scores[design.strata <= low], scores[design.strata >= high]
        if len(below) and len(above):
            assert below.max() < above.min()
    assert design.sizes.sum() == len(scores)


@each_set
def test_every_prefix_has_nearly_the_same_proportions(scores: np.ndarray, threshold: float) -> None:
    """As long as no stratum is exhausted, no stratum is more than a mark off its share."""
    design = draw_design(scores, threshold, 0)
    asked = design.strata[design.order]
    there = np.unique(design.strata)
    first_exhausted = min(np.flatnonzero(asked == stratum)[-1] for stratum in there)
    counts = np.cumsum(asked[:, None] == there, axis=0)[: first_exhausted + 1]
    shares = counts[-1] / counts[-1].sum()
    expected = np.arange(1, len(counts) + 1)[:, None] * shares
    assert np.abs(counts - expected).max() <= 1


def test_strata_are_equal_steps_of_the_root_of_the_rank() -> None:
    """Of 100 images with 16 above: roots 4, 6, 8, 10, and so the ranks 16, 36, 64, 100."""
    design = draw_design(np.arange(100.0)[::-1], 83.5, 0)
    assert design.sizes.tolist() == [36, 28, 20, 16]
    assert (np.diff(design.strata) <= 0).all()
    asked = design.strata[design.order]
    assert asked[:64].tolist() == 16 * [3, 2, 1, 0]
    assert asked[64:76].tolist() == 4 * [2, 1, 0]
    assert asked[76:].tolist() == 8 * [1, 0] + 8 * [0]


def test_an_order_does_not_depend_on_the_scale_of_the_scores() -> None:
    design, scaled = draw_design(NORMAL, 1.6, 4), draw_design(np.exp(NORMAL), np.exp(1.6), 4)
    np.testing.assert_array_equal(design.order, scaled.order)
    np.testing.assert_array_equal(design.strata, scaled.strata)


def test_the_same_random_state_draws_the_same_order() -> None:
    first, again, other = (draw_design(NORMAL, 1.6, state).order for state in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


@pytest.mark.slow
def test_every_subset_of_a_stratum_is_as_likely() -> None:
    """Counted out over many draws: the first marks of a stratum of five images."""
    scores, threshold = np.arange(12.0), 6.5
    seen: Counter[frozenset[int]] = Counter()
    strata = draw_design(scores, threshold, 0).strata
    stratum = int(np.bincount(strata).argmax())
    mine = np.flatnonzero(strata == stratum)
    for state in range(3000):
        order = draw_design(scores, threshold, state).order
        first = [int(image) for image in order if strata[image] == stratum][:2]
        seen[frozenset(first)] += 1
    pairs = len(mine) * (len(mine) - 1) // 2
    assert len(seen) == pairs
    assert chisquare(list(seen.values())).pvalue > 1e-3


@pytest.mark.parametrize(
    ("scores", "threshold"),
    [(np.empty(0), 0.0), (np.ones((2, 2)), 0.0), (np.array([1.0, np.nan]), 0.0), (NORMAL, np.nan)],
)
def test_what_cannot_be_designed(scores: np.ndarray, threshold: float) -> None:
    with pytest.raises(UsageError):
        draw_design(scores, threshold, 0)
