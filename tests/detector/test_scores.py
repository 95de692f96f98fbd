"""Decisions on scores: one by one against a threshold, or all together."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.missing import hide

from twofold.detector import Scores
from twofold.detector.scores import ROW_FIELDS
from twofold.errors import ConfigError, MissingExtraError
from twofold.images import Problem
from twofold.thresholds import Calibration, benjamini_hochberg, benjamini_yekutieli, p_values

POOL = Calibration.of(np.arange(1.0, 100.0))  # 99 images: p-values are hundredths


def judged(scores: list[float], threshold: float = 95.0, rate: float | None = None) -> Scores:
    names = tuple(f"{row}.png" for row in range(len(scores)))
    problems = tuple(
        Problem(name, "empty file")
        for name, score in zip(names, scores, strict=True)
        if np.isnan(score)
    )
    return Scores.judged(
        names,
        np.array(scores, dtype=np.float64),
        problems,
        threshold=threshold,
        calibration=POOL,
        false_discovery_rate=rate,
    )


def as_list(array: NDArray[Any]) -> list[Any]:
    found: list[Any] = array.tolist()
    return found


def test_one_by_one() -> None:
    found = judged([0.0, 95.0, 95.5, 1000.0, float("nan"), -3.0])
    assert as_list(found.anomalous) == [0, 0, 1, 1, -1, 0]
    assert found.anomalous.dtype == np.int64
    assert as_list(found.percentiles[:4]) == pytest.approx([0, 100 * 95 / 99, 100 * 95 / 99, 100])
    assert as_list(found.p_values[:4]) == pytest.approx([1.0, 0.06, 0.05, 0.01])
    assert np.isnan(found.percentiles[4])
    assert np.isnan(found.p_values[4])
    assert as_list(found.usable) == [True, True, True, True, False, True]
    assert found.problems == (Problem("4.png", "empty file"),)
    assert found.names == tuple(f"{row}.png" for row in range(6))


def test_all_together() -> None:
    """Four images beyond all normals (p = 0.01) can be reported together, one alone cannot."""
    usual = [10.0, 20.0, 30.0, 40.0, 50.0, 60.0]
    assert as_list(judged([*usual, 200.0], rate=0.05).anomalous) == [0] * 7
    found = judged([*usual, 200.0, 300.0, 400.0, 500.0], rate=0.05)
    assert as_list(found.anomalous) == [0] * 6 + [1] * 4
    # The threshold would have reported it, whatever the others.
    assert as_list(judged([*usual, 200.0]).anomalous) == [0] * 6 + [1]


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.2, 0.5])
def test_all_together_is_the_procedure_on_the_p_values(rate: float) -> None:
    rng = np.random.default_rng(0)
    scores = np.r_[rng.uniform(0, 100, 40), rng.uniform(90, 130, 20), np.nan]
    found = judged(scores.tolist(), rate=rate)
    chances = p_values(scores, POOL)
    np.testing.assert_array_equal(found.p_values, chances)
    expected = benjamini_hochberg(chances, rate)
    assert as_list(found.anomalous[:-1] == 1) == as_list(expected[:-1])
    assert found.anomalous[-1] == -1
    one_by_one = judged(scores.tolist())
    np.testing.assert_array_equal(found.scores, one_by_one.scores)
    np.testing.assert_array_equal(found.percentiles, one_by_one.percentiles)


def test_the_rate_holds_for_batches_of_normals_and_anomalies() -> None:
    rng = np.random.default_rng(1)
    shares = []
    for _ in range(200):
        pool = Calibration.of(rng.normal(size=200))
        scores = np.r_[rng.normal(size=80), rng.normal(5.0, 1.0, size=20)]
        found = Scores.judged(
            ("x",) * 100,
            scores,
            (),
            threshold=0.0,
            calibration=pool,
            false_discovery_rate=0.2,
        )
        reported = found.anomalous == 1
        assert reported[80:].mean() > 0.8
        shares.append(reported[:80].sum() / max(reported.sum(), 1))
    assert np.mean(shares) < 0.2


@pytest.mark.parametrize("rate", [0.0, 1.0, -0.1, float("nan")])
def test_impossible_rates(rate: float) -> None:
    with pytest.raises(ConfigError, match="strictly between 0 and 1"):
        judged([1.0, 2.0], rate=rate)


def test_no_images_and_none_usable() -> None:
    for rate in (None, 0.1):
        assert judged([], rate=rate).anomalous.shape == (0,)
        found = judged([float("nan")] * 2, rate=rate)
        assert as_list(found.anomalous) == [-1, -1]
        assert not found.usable.any()


def test_groups_in_the_calibration_ask_for_the_procedure_for_any_dependence() -> None:
    rng = np.random.default_rng(2)
    grouped = Calibration.of(rng.normal(size=400), groups=np.repeat(np.arange(200), 2))
    scores = np.r_[rng.normal(size=80), rng.normal(5.0, 1.0, size=40)]
    found = Scores.judged(
        ("x",) * 120, scores, (), threshold=0.0, calibration=grouped, false_discovery_rate=0.2
    )
    expected = benjamini_yekutieli(p_values(scores, grouped), 0.2)
    assert as_list(found.anomalous == 1) == as_list(expected)
    assert expected.sum() < benjamini_hochberg(p_values(scores, grouped), 0.2).sum()


def test_tables_of_each_library_hold_the_same_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    found = judged([1.0, float("nan"), 1e300, -0.1])
    arrow, polars, pandas = found.to_arrow(), found.to_polars(), found.to_pandas()
    assert arrow.to_pylist() == polars.to_dicts() == found.rows()
    assert arrow.column_names == polars.columns == list(pandas.columns) == list(ROW_FIELDS)
    assert [str(field.type) for field in arrow.schema] == [
        *("string", "double", "double", "double", "int8", "string")
    ]
    assert judged([]).to_arrow().schema == arrow.schema
    assert judged([]).to_polars().schema == polars.schema
    for library, make in (("pyarrow", found.to_arrow), ("polars", found.to_polars)):
        with monkeypatch.context() as patch:
            hide(patch, library)
            with pytest.raises(MissingExtraError, match="pip install"):
                make()
