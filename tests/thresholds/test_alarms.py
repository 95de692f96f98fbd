"""Expected false alarms, against scipy's distribution and against simulated pools."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.stats import betabinom

from twofold.errors import UsageError
from twofold.thresholds import Calibration, false_alarms, fit_threshold


@pytest.mark.parametrize(
    ("n", "rate", "new"),
    [(19, 0.05, 7), (100, 0.1, 250), (333, 0.01, 5000), (50, 0.5, 1), (1000, 0.02, 20_000)],
)
def test_the_interval_is_that_of_a_beta_binomial(n: int, rate: float, new: int) -> None:
    scores = np.random.default_rng(n).normal(size=n)
    calibration = Calibration.of(scores)
    threshold = fit_threshold(calibration, rate)
    found = false_alarms(calibration, threshold, new)
    above = sum(score > threshold.value for score in scores)
    exact = betabinom(new, above + 1, n - above)
    assert (found.low, found.high) == (exact.ppf(0.025), exact.ppf(0.975))
    assert found.expected == threshold.false_alarm_rate * new
    assert found.low <= exact.mean() <= found.expected + 1e-9


@pytest.mark.parametrize(("n", "rate"), [(19, 0.05), (250, 0.01), (1000, 0.3), (20_000, 0.05)])
def test_of_very_many_images_it_is_hardly_wider(n: int, rate: float) -> None:
    calibration = Calibration.of(np.random.default_rng(n).normal(size=n))
    threshold = fit_threshold(calibration, rate)
    found = false_alarms(calibration, threshold, 200_000)
    above = int((calibration.scores > threshold.value).sum())
    low, high = betabinom(200_000, above + 1, n - above).ppf([0.025, 0.975])
    assert found.low <= low
    assert found.high >= high
    # Where the calibration has as many images as are counted, half of the variance is theirs.
    assert found.high - found.low <= (high - low) * np.sqrt(1 + n / 20_000) + 20


def test_as_many_simulated_pools_lie_inside_as_stated() -> None:
    generator = np.random.default_rng(0)
    inside, counts = 0, []
    for _ in range(1000):
        calibration = Calibration.of(generator.normal(size=99))
        threshold = fit_threshold(calibration, 0.1)
        count = int((generator.normal(size=200) > threshold.value).sum())
        found = false_alarms(calibration, threshold, 200)
        counts.append(count)
        inside += found.low <= count <= found.high
    assert 0.94 <= inside / 1000 <= 0.98  # counts are whole: the interval may hold a little more
    assert np.mean(counts) == pytest.approx(found.expected, abs=1.0)


def test_a_group_counts_once() -> None:
    scores = np.random.default_rng(3).normal(size=40)
    alone = Calibration.of(scores)
    twice = Calibration.of(np.repeat(scores, 2), groups=np.repeat(np.arange(40), 2))
    found = [false_alarms(c, fit_threshold(c, 0.1), 100) for c in (alone, twice)]
    assert found[0] == found[1]


def test_one_calibration_image_and_no_new_one() -> None:
    calibration = Calibration.of(np.array([1.0]))
    found = false_alarms(calibration, fit_threshold(calibration, 0.5), 10)
    assert (found.low, found.high) == (
        betabinom(10, 1, 1).ppf(0.025),
        betabinom(10, 1, 1).ppf(0.975),
    )
    nothing = false_alarms(calibration, fit_threshold(calibration, 0.5), 0)
    assert (nothing.expected, nothing.low, nothing.high) == (0.0, 0, 0)
    with pytest.raises(UsageError, match="-1 images"):
        false_alarms(calibration, fit_threshold(calibration, 0.5), -1)
