"""Moments of patches by place: against slow loops, and from sums with images taken off."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import NotEnoughImagesError
from twofold.eyes import PatchParts, as_places, patch_moments


def test_moments_are_those_of_a_loop_over_images() -> None:
    rng = np.random.default_rng(0)
    # More places than are worked on at a time.
    places = as_places(rng.gamma(2.0, size=(50, 5, 5, 5)).astype(np.float32))
    rows = rng.random(50) < 0.7
    found = patch_moments(places, rows)
    assert found.n == rows.sum()
    for place, values in enumerate(places[:, rows].astype(np.float64)):
        centred = values - sum(values) / len(values)
        covariance = sum(np.outer(row, row) for row in centred) / len(values)
        fourth = sum((row @ row) ** 2 for row in centred) / len(values)
        np.testing.assert_allclose(found.mean[place], sum(values) / len(values), rtol=1e-12)
        np.testing.assert_allclose(found.covariance[place], covariance, atol=2e-6)
        assert found.fourth[place] == pytest.approx(fourth, rel=1e-6)
    typical = found.typical
    np.testing.assert_allclose(typical.covariance[0], found.covariance.mean(axis=0), rtol=1e-12)
    assert typical.fourth[0] == pytest.approx(found.fourth.mean())


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_sums_less_those_of_a_part_give_the_moments_of_the_rest(
    shared: bool, offset: float
) -> None:
    rng = np.random.default_rng(0)
    places = as_places((rng.gamma(2.0, size=(60, 5, 4, 4)) + offset).astype(np.float32))
    kept, fold = rng.random(60) < 0.7, rng.random(60) < 0.3
    found = PatchParts.of(places, kept).without(fold, shared=shared)
    expected = patch_moments(places, kept & ~fold, shared=shared)
    assert found.n == expected.n
    for name in ("mean", "covariance", "fourth"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=2e-4, atol=2e-4
        )


def test_sums_of_nobody_have_no_moments() -> None:
    places, everyone = as_places(np.ones((3, 2, 1, 1))), np.ones(3, dtype=np.bool_)
    with pytest.raises(NotEnoughImagesError, match="at least 1 image"):
        PatchParts.of(places, everyone).without(everyone)


def test_sums_stay_as_they_are() -> None:
    places = as_places(np.random.default_rng(0).gamma(2.0, size=(20, 5, 2, 3)).astype(np.float32))
    everyone = np.ones(20, dtype=np.bool_)
    parts, expected = PatchParts.of(places, everyone), patch_moments(places)
    for _ in range(2):
        found = parts.without(~everyone)
        np.testing.assert_allclose(found.covariance, expected.covariance, rtol=1e-12)
