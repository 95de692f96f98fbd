"""One scale for all maps, and what blank places and copies do to it."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import norm

from twofold.densities import scale_of
from twofold.methods.views.maps import MapScale, map_scale, pool_map_scale


def distances(n: int = 300, p: int = 16, seed: int = 0) -> NDArray[np.float64]:
    return np.exp(np.random.default_rng(seed).normal(3.0, 0.5, (n, p)))


def test_units_are_spreads_above_the_median() -> None:
    scale = map_scale(distances(), (4, 4))
    values = scale.standardise(distances(seed=1), (4, 4))
    assert values.shape == (300, 4, 4)
    assert np.median(values) == pytest.approx(0.0, abs=0.05)
    assert np.quantile(values, norm.cdf(-1.0)) == pytest.approx(-1.0, abs=0.1)


def test_colours_begin_at_the_oddest_patch_of_a_median_image() -> None:
    scale = map_scale(distances(), (4, 4))
    peaks = scale.standardise(distances(seed=1), (4, 4)).max(axis=(1, 2))
    assert (peaks > scale.low).mean() == pytest.approx(0.5, abs=0.1)
    assert (peaks > (scale.low + scale.high) / 2).mean() < 0.05
    assert (peaks < scale.high).all()


@pytest.mark.parametrize("blank", [1, 8, 15])
@pytest.mark.parametrize("value", [0.0, 1e-12])
def test_blank_places_leave_the_scale_to_the_others(blank: int, value: float) -> None:
    given = distances()
    given[:, :blank] = value
    scale, alone = map_scale(given, (4, 4)), scale_of(given[:, blank:].ravel())
    assert scale.scale == alone
    maps = scale.standardise(given, (4, 4)).reshape(300, 16)
    expected = alone.standardise(given[:, blank:])
    np.testing.assert_allclose(maps[:, blank:], expected)
    assert maps[:, :blank].max() < maps[:, blank:].min()
    assert np.isfinite(maps).all()


def test_a_few_wild_images_do_not_make_the_others_blank() -> None:
    given = distances()
    given[:60] *= 1e6
    assert map_scale(given, (4, 4)).floor < given[60:].min()


@pytest.mark.parametrize("share", [0.0, 0.02, 0.1, 0.2])
def test_a_pools_scale_is_that_of_its_normals(share: float) -> None:
    """Of a hundred normals about one lies beyond the middle of the colours."""
    pool = distances(1000)
    pool[: int(1000 * share), 3] *= 50
    scale = pool_map_scale(pool, (4, 4))
    peaks = scale.standardise(distances(2000, seed=1), (4, 4)).max(axis=(1, 2))
    assert (peaks > scale.low).mean() == pytest.approx(0.5, abs=0.08)
    assert 0.003 < (peaks > (scale.low + scale.high) / 2).mean() < 0.03
    assert (
        scale.standardise(pool[: int(1000 * share)], (4, 4)).max(axis=(1, 2)) > scale.high
    ).all()


@pytest.mark.parametrize("value", [0.0, 7.0])
def test_copies_have_a_range_all_the_same(value: float) -> None:
    scale = map_scale(np.full((5, 4), value), (2, 2))
    assert scale.low < scale.high
    assert np.isfinite(scale.standardise(distances(p=4), (2, 2))).all()


def test_its_array_rebuilds_it() -> None:
    scale = map_scale(distances(), (4, 4))
    assert MapScale.from_array(scale.to_array()) == scale


@pytest.mark.parametrize("position", range(5))
def test_arrays_that_are_no_scale(position: int) -> None:
    array = map_scale(distances(), (4, 4)).to_array()
    array[position] = np.nan
    with pytest.raises(ValueError, match="row of finite numbers"):
        MapScale.from_array(array)


def test_what_is_not_looked_at_has_no_say_in_the_scale() -> None:
    """Neither in the floor of blank patches nor in the units or the regions."""
    given = distances()
    looked_at = np.zeros(given.shape, dtype=np.bool_)
    looked_at[:, :8] = True
    scale, high = (map_scale(np.where(looked_at, given, x), (4, 4), looked_at) for x in (0.0, 1e9))
    assert scale == high
    assert scale.floor == pytest.approx(0.01 * np.median(given[:, :8].mean(axis=1)))
    assert scale.scale == scale_of(given[:, :8].ravel())
    maps = scale.standardise(np.where(looked_at, given, 0.0), (4, 4)).reshape(given.shape)
    assert (maps[~looked_at] == maps.min()).all()
    assert (maps[looked_at] > maps.min()).all()
    pool = pool_map_scale(np.where(looked_at, given, 0.0), (4, 4), looked_at)
    assert pool.floor == pytest.approx(scale.floor, rel=0.02)
