"""Patches that are not looked at: in moments, Gaussians, banks, coresets and scores."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.eyes import (
    all_shown,
    as_places,
    filled,
    fit_bank,
    fit_patch_gaussians,
    judged_places,
    lend_common,
    patch_moments,
    top_mean,
)
from twofold.eyes.coreset import patch_coreset

Flags = NDArray[np.bool_]
Floats = NDArray[np.float32]


def patches(n: int, seed: int = 0) -> Floats:
    """(n, 5, 3, 4): twelve places, each with a mean of its own."""
    means = np.random.default_rng(99).normal(0, 3, (5, 3, 4))
    noise = np.random.default_rng(seed).normal(size=(n, 5, 3, 4))
    return np.asarray(means + noise, dtype=np.float32)


def some(n: int, seed: int = 0) -> Flags:
    return np.random.default_rng(seed).random((n, 12)) < 0.7


def spoilt(values: Floats, looked_at: Flags) -> Floats:
    """Far-away patches where they are not looked at."""
    changed = values.copy()
    changed[~np.broadcast_to(looked_at.reshape(-1, 1, 3, 4), values.shape)] = 1e3
    return changed


def test_places_that_two_images_show_are_judged() -> None:
    looked_at = np.array([[1, 1, 0, 1], [1, 0, 0, 1], [0, 0, 0, 1]], dtype=np.bool_)
    assert judged_places(looked_at).tolist() == [True, False, False, True]
    assert judged_places(looked_at[:1]).tolist() == [True, True, False, True]
    assert all_shown(patches(2), None).all()
    assert all_shown(patches(2), None).shape == (2, 12)
    shown = some(2)
    assert all_shown(patches(2), shown) is shown


def test_what_is_not_looked_at_takes_the_mean_of_its_place() -> None:
    looked_at = some(8)
    looked_at[:, 5] = False
    places = as_places(spoilt(patches(8), looked_at))
    before = places.copy()
    found = filled(places, looked_at)
    assert np.array_equal(places, before)
    for place in range(12):
        shown = looked_at[:, place]
        assert np.array_equal(found[place][shown], places[place][shown])
        expected = places[place][shown].mean(axis=0) if place != 5 else np.zeros(5)
        np.testing.assert_allclose(
            found[place][~shown], np.broadcast_to(expected, (sum(~shown), 5)), rtol=1e-5
        )


def test_a_place_that_hardly_any_image_shows_varies_as_the_others() -> None:
    looked_at = np.ones((6, 12), dtype=np.bool_)
    looked_at[1:, 3] = False
    moments = patch_moments(filled(as_places(patches(6)), looked_at))
    lent = lend_common(moments, looked_at)
    others = np.arange(12) != 3
    np.testing.assert_allclose(lent.covariance[3], moments.covariance[others].mean(axis=0))
    assert lent.fourth[3] == pytest.approx(moments.fourth[others].mean())
    assert np.array_equal(lent.covariance[others], moments.covariance[others])
    assert lend_common(moments, np.ones((6, 12), dtype=np.bool_)) is moments


def test_gaussians_of_some_places_on_the_whole_grid() -> None:
    places, new = as_places(patches(30)), patches(4, 1)
    judged = np.arange(12) % 3 != 1
    whole = fit_patch_gaussians(patch_moments(places[judged])).at(judged)
    distances = whole.squared_distances(new)
    assert (distances[:, ~judged] == 0).all()
    assert (distances[:, judged] > 0).all()
    # The places that are left out have no say in what the others have in common.
    places[~judged] *= 100
    again = fit_patch_gaussians(patch_moments(places[judged])).at(judged)
    assert np.array_equal(again.squared_distances(new), distances)
    looked_at = some(4)
    masked = whole.squared_distances(new, looked_at)
    assert np.array_equal(masked, np.where(looked_at, distances, 0.0))
    state = type(whole).from_state(whole.state(), 5)
    assert np.array_equal(state.squared_distances(new), distances)


def test_the_mean_of_the_oddest_is_of_those_that_are_looked_at() -> None:
    distances = np.array([[9.0, 1, 2, 3, 4], [9, 1, 2, 3, 4], [9, 1, 2, 3, 4]])
    looked_at = np.array([[0, 1, 1, 1, 1], [0, 1, 1, 0, 0], [1, 1, 1, 1, 1]], dtype=np.bool_)
    assert top_mean(distances, looked_at=looked_at).tolist() == [3.0, 1.5, 16 / 3]


@pytest.mark.parametrize("trim", [0.0, 0.25])
def test_a_bank_draws_only_what_is_looked_at(trim: float) -> None:
    source, pool, new = patches(6, 1), patches(12, 2), patches(3, 3)
    lent, own = some(6, 1), some(12, 2)
    groups = np.arange(12)
    fits = [
        fit_bank(
            first,
            second,
            groups,
            trim=trim,
            random_state=0,
            source_looked_at=lent,
            looked_at=own,
        )
        for first, second in ((source, pool), (spoilt(source, lent), spoilt(pool, own)))
    ]
    for name, array in fits[0].model.state().items():
        assert np.array_equal(array, fits[1].model.state()[name])
    assert np.array_equal(fits[0].distances, fits[1].distances)
    assert (fits[0].distances[~own] == 0).all()
    assert len(fits[0].owners) == len(fits[0].model.rows)
    looked_at = some(3)
    distances = fits[0].model.squared_distances(new, looked_at)
    whole = fits[0].model.squared_distances(new)
    assert np.array_equal(distances, np.where(looked_at, whole, 0.0))
    # All shown is no mask.
    every = np.ones((12, 12), dtype=np.bool_)
    plain = fit_bank(None, pool, groups, trim=trim, random_state=0)
    shown = fit_bank(None, pool, groups, trim=trim, random_state=0, looked_at=every)
    assert np.array_equal(plain.model.rows, shown.model.rows)
    assert np.array_equal(plain.distances, shown.distances)


@pytest.mark.parametrize("candidates", [20, 1000])
def test_a_coreset_of_what_is_looked_at(candidates: int) -> None:
    values, looked_at = patches(8), some(8)
    chosen = [
        patch_coreset(given, 10, candidates, np.random.default_rng(0), looked_at)
        for given in (values, spoilt(values, looked_at))
    ]
    assert np.array_equal(chosen[0], chosen[1])
    assert chosen[0].max() < 100
