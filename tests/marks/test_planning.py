"""Further marks that are foreseen, against making them."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import ConfigError, UsageError
from twofold.marks import Design, draw_design, estimate, further_marks

N = 600
rng = np.random.default_rng(5)
LABELS = (np.arange(N) < 90).astype(float)
SCORES = rng.normal(size=N) + 2.0 * LABELS
THRESHOLD = float(np.quantile(SCORES[LABELS == 0], 0.95))


def first(design: Design, n: int) -> np.ndarray:
    marks = np.full(N, np.nan)
    marks[design.order[:n]] = LABELS[design.order[:n]]
    return marks


def half_width(design: Design, n: int, rate: str) -> float:
    found = getattr(estimate(SCORES, THRESHOLD, design.strata, first(design, n)), rate)
    return float(found.high - found.low) / 2


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["detection_rate", "precision", "anomaly_share"])
def test_on_average_the_foreseen_marks_reach_the_width(rate: str) -> None:
    """Made in twenty draws of the design: the width they reach is about the one asked for."""
    reached, wanted = [], []
    for seed in range(20):
        design = draw_design(SCORES, THRESHOLD, seed)
        asked = 0.7 * half_width(design, 60, rate)
        more = further_marks(SCORES, THRESHOLD, design, first(design, 60), asked, rate=rate)
        assert more is not None
        assert 0 < more < N - 60
        reached.append(half_width(design, 60 + more, rate))
        wanted.append(asked)
    assert np.mean(reached) == pytest.approx(np.mean(wanted), rel=0.15)


def test_a_narrower_interval_needs_more_marks() -> None:
    design = draw_design(SCORES, THRESHOLD, 0)
    marks = first(design, 60)
    found = [further_marks(SCORES, THRESHOLD, design, marks, w) for w in (0.4, 0.1, 0.05, 0.001)]
    assert found[0] == 0
    assert all(value is not None for value in found)
    assert sorted(found) == found  # type: ignore[type-var]
    assert len(set(found)) == 4
    assert found[-1] is not None
    assert found[-1] <= N - 60  # with all images marked the interval has no width


def test_nothing_is_foreseen_before_an_anomaly_is_seen() -> None:
    design = draw_design(SCORES, THRESHOLD, 0)
    assert further_marks(SCORES, THRESHOLD, design, np.full(N, np.nan), 0.1) is None
    normals = np.where(LABELS == 0, 0.0, np.nan)
    assert further_marks(SCORES, THRESHOLD, design, normals, 0.1) is None


def test_impossible_arguments() -> None:
    design = draw_design(SCORES, THRESHOLD, 0)
    marks = first(design, 60)
    with pytest.raises(ConfigError, match=r"rate is one of detection_rate, .*, not 'auroc'"):
        further_marks(SCORES, THRESHOLD, design, marks, 0.1, rate="auroc")
    for width in (0.0, 1.0, float("nan")):
        with pytest.raises(ConfigError, match="half_width must lie strictly between"):
            further_marks(SCORES, THRESHOLD, design, marks, width)
    other = draw_design(SCORES[:-1], THRESHOLD, 0)
    with pytest.raises(UsageError, match="a design of 599 images for 600 scores"):
        further_marks(SCORES, THRESHOLD, other, marks, 0.1)
