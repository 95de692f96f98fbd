"""Regions in which a share of the images of the fit lies."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from scipy import stats

from twofold.drift import fit_regions
from twofold.errors import ConfigError, NotEnoughImagesError


def test_least_shares_are_quantiles_of_how_much_order_statistics_hold() -> None:
    """Against a simulation of the share that a region of new images holds."""
    rng, n, error = np.random.default_rng(0), 60, 0.2
    held = []
    for _ in range(4000):
        regions = fit_regions(rng.random((n, 1)), allowed=0.0, error=error)
        low, high = regions.low.clip(0, 1), regions.high.clip(0, 1)
        low = np.where(np.isinf(regions.low), 0.0, low)
        high = np.where(np.isinf(regions.high), 1.0, high)
        held.append(np.where(regions.between, high - low, low + 1 - high))
    wrong = np.array(held) < regions.least
    # Each is wrong in error / 12 of the cases, up to its noise of .0025; and any in at most error.
    np.testing.assert_allclose(wrong.mean(axis=0), error / 12, atol=0.01)
    assert wrong.any(axis=1).mean() <= error


def test_regions_hold_their_share_of_the_fit() -> None:
    values = np.random.default_rng(1).normal(size=(999, 2))
    regions = fit_regions(values, allowed=0.3, error=0.01)
    assert len(regions) == 24
    shares = regions.inside(values).mean(axis=0).reshape(2, 3, 4)
    np.testing.assert_allclose(shares[:, 0], 0.5, atol=0.004)
    np.testing.assert_allclose(shares[:, 1], 0.9, atol=0.004)
    np.testing.assert_allclose(shares[:, 2], 0.98, atol=0.004)
    assert (regions.least < 0.7 * regions.inside(values).mean(axis=0)).all()


@pytest.mark.parametrize(
    ("change", "emptied"),
    [
        (lambda values: values + 1, [0]),
        (lambda values: values - 1, [1]),
        (lambda values: values * 5, [2]),
        (lambda values: values * 0.1, [3]),
    ],
    ids=["up", "down", "wider", "narrower"],
)
def test_whatever_moves_narrows_or_widens_empties_a_region(
    change: Callable[[np.ndarray], np.ndarray], emptied: list[int]
) -> None:
    values = np.random.default_rng(2).normal(size=(400, 1))
    regions = fit_regions(values, allowed=0.0, error=0.01)
    found = regions.inside(change(values)).mean(axis=0)[:4]  # of a half
    assert list(np.flatnonzero(found < 0.2)) == emptied


def test_ties_are_inside() -> None:
    values = np.repeat([[0.0], [1.0]], 30, axis=0)
    regions = fit_regions(values, allowed=0.0, error=0.01)
    assert (regions.inside(values).mean(axis=0) >= 0.5).all()


def test_upper_only_asks_for_odder_images_alone() -> None:
    values = np.random.default_rng(3).normal(size=(200, 1))
    regions = fit_regions(values, allowed=0.0, error=0.01, upper_only=True)
    assert len(regions) == 3
    assert regions.inside(values - 5).all()
    assert not regions.inside(values + 9).any()


def test_the_score_has_half_of_the_wealth() -> None:
    values = np.random.default_rng(4).normal(size=(50, 3))
    regions = fit_regions(values, allowed=0.0, error=0.01)
    assert regions.parts().sum() == pytest.approx(1)
    assert regions.parts()[regions.feature == 0].sum() == pytest.approx(0.5)
    alone = fit_regions(values[:, :1], allowed=0.0, error=0.01)
    assert alone.parts().sum() == pytest.approx(1)


def test_least_shares_by_another_library() -> None:
    values = np.random.default_rng(5).normal(size=(100, 1))
    regions = fit_regions(values, allowed=0.3, error=0.04)
    # Half of 101 spacings, rounded to even; 12 regions.
    assert regions.least[0] == pytest.approx(0.7 * stats.beta.ppf(0.04 / 12, 50, 51))


def test_wrong_use() -> None:
    values = np.random.default_rng(6).normal(size=(30, 1))
    with pytest.raises(NotEnoughImagesError, match="at least 20"):
        fit_regions(values[:19], allowed=0.0, error=0.01)
    for allowed, error in ((-0.1, 0.1), (1.0, 0.1), (0.0, 0.0), (0.0, 1.0)):
        with pytest.raises(ConfigError):
            fit_regions(values, allowed=allowed, error=error)


@pytest.mark.parametrize("n", [20, 21, 25, 33])
def test_few_images_make_regions(n: int) -> None:
    values = np.random.default_rng(n).normal(size=(n, 1))
    regions = fit_regions(values, allowed=0.3, error=0.005)
    assert (regions.least > 0).all()
    assert (regions.inside(values).mean(axis=0) > 0.4).all()
