"""Metrics of a few scores of every degenerate kind: in their range, or a named error."""

from __future__ import annotations

import math

import numpy as np
import pytest
from tests.support.small_samples import KINDS, SIZES, STATES, end, partner, sample, within

from twofold.benchmark.pixel_metrics import pixel_auroc, pro
from twofold.errors import ConfigError, UsageError
from twofold.metrics import (
    auroc,
    average_precision,
    bootstrap,
    fpr_at_tpr,
    proportion,
)


@KINDS
@STATES
def test_metrics_of_images(kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        few, many = sample(kind, n, state)[:, 0], partner(kind, 9, state)[:, 0]
        for normal, anomalous in ((few, many), (many, few), (few, few)):
            for metric in (auroc, average_precision, fpr_at_tpr):
                value = end(metric, normal, anomalous)
                assert (value is None) == (n == 0)
                assert value is None or within(0, 1, value)


@KINDS
@STATES
def test_metrics_of_pixels(kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        maps = np.resize(sample(kind, n, state), (n, 4, 4)) if n else np.empty((0, 4, 4))
        middle = np.median(maps) if n else 0.0
        first = np.arange(maps.size).reshape(maps.shape) == 0
        # The masks of a perfect map, of a single pixel, of none and of all.
        for masks in (maps > middle, first, maps > np.inf, maps > -np.inf):
            values = [end(pixel_auroc, maps, masks)]
            values += [end(pro, maps, masks, max_fpr=most) for most in (1e-3, 0.3, 1.0)]
            for value in values:
                assert (value is None) == (bool(masks.all()) or not masks.any())
                assert value is None or within(0, 1, value)


def test_an_interval_of_one_image_each() -> None:
    for metric in (auroc, average_precision, fpr_at_tpr):
        found = bootstrap(metric, np.array([1.0]), np.array([1.0]))
        assert within(0, 1, found.low, found.value, found.high)


def test_shares() -> None:
    for n in (1, 2, 3, 20):
        for successes in range(n + 1):
            found = proportion(successes, n)
            assert 0 <= found.low <= found.value <= found.high <= 1
    for successes, n in ((0, 0), (-1, 3), (4, 3)):
        with pytest.raises(UsageError):
            proportion(successes, n)


@pytest.mark.parametrize("tpr", [0.0, -0.1, 1.1, math.nan])
def test_an_impossible_tpr(tpr: float) -> None:
    with pytest.raises(ConfigError, match="tpr"):
        fpr_at_tpr(np.arange(3.0), np.arange(3.0), tpr)


@pytest.mark.parametrize("metric", [auroc, average_precision, fpr_at_tpr])
def test_nan_is_no_score(metric: object) -> None:
    assert callable(metric)
    for pair in (([0.0, math.nan], [1.0]), ([0.0], [math.nan])):
        with pytest.raises(UsageError, match="NaN"):
            metric(*(np.array(side) for side in pair))
