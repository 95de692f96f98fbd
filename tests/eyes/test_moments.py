"""Moments of patches by place from sums that can be taken off each other."""

from __future__ import annotations

import numpy as np
import pytest

from twofold.errors import NotEnoughImagesError
from twofold.eyes import PatchSums, as_places, patch_moments


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("offset", [0.0, 50.0])
def test_sums_less_those_of_a_part_give_the_moments_of_the_rest(
    shared: bool, offset: float
) -> None:
    rng = np.random.default_rng(0)
    places = as_places((rng.gamma(2.0, size=(60, 5, 3, 3)) + offset).astype(np.float32))
    kept, fold = rng.random(60) < 0.7, rng.random(60) < 0.3
    center = patch_moments(places, kept).mean
    every = PatchSums.of(places, kept, center)
    found = every.without(PatchSums.of(places, kept & fold, center)).moments(shared=shared)
    expected = patch_moments(places, kept & ~fold, shared=shared)
    assert found.n == expected.n
    for name in ("mean", "covariance", "fourth"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=2e-4, atol=2e-4
        )


def test_sums_of_nobody_have_no_moments() -> None:
    places = as_places(np.ones((3, 2, 1, 1), dtype=np.float32))
    whole = PatchSums.of(places, np.ones(3, dtype=np.bool_), np.ones((1, 2)))
    with pytest.raises(NotEnoughImagesError, match="at least 1 image"):
        whole.without(whole).moments()
