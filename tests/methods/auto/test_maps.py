"""`auto`: where a flaw is."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from tests.methods.auto.cases import fitted, world_of
from tests.methods.patch_methods import patch_cases
from tests.support import toy

from twofold.errors import ConfigError


@pytest.mark.parametrize("locality", ["local", "both"])
def test_a_flaw_is_found_at_its_place(locality: str) -> None:
    source, pool = world_of(patch_cases.patches(50, 3, shift=2.0), patch_cases.patches(80))
    spoilt = patch_cases.with_twins(80)
    pool = replace(pool, arrays=pool.arrays | {"patches@3": spoilt})
    model = fitted(source, pool, locality=locality)
    _, odd = world_of(spoilt, patch_cases.flawed(10, (0, 2)))
    _, normal = world_of(spoilt, patch_cases.patches(10, 4))
    maps = model.anomaly_map(odd)
    assert maps.shape == (10, 4, 4)
    assert patch_cases.hottest(maps) == [(0, 2)] * 10
    low, high = model.map_range()
    assert low < high < maps[:, 0, 2].min()
    peaks = model.anomaly_map(normal).max(axis=(1, 2))
    assert np.median(peaks) < (low + high) / 2
    assert model.score(odd).min() > model.score(normal).max()


def test_a_flaw_in_pictures_is_found_at_its_place() -> None:
    """A dark square in a corner of rendered images, where normals show plain background."""
    world = toy.make_world(2, n_pool=60, n_source=40, share=0.0)
    model = fitted(toy.encode(world.source), toy.encode(world.pool))
    clean = toy.normals(8, 5)
    spoilt = clean.copy()
    spoilt[:, 50:62, 2:14] = 20
    maps, before = (model.anomaly_map(toy.encode(pictures)) for pictures in (spoilt, clean))
    assert patch_cases.hottest(maps) == [(3, 0)] * 8
    assert (maps[:, 3, 0] > before[:, 3, 0]).all()
    assert (model.score(toy.encode(spoilt)) > model.score(toy.encode(clean))).all()


def test_a_blank_background_leaves_the_maps_their_scale() -> None:
    """Where nothing varies all distances are 0, and a logarithm of 0 is no scale."""

    def blanked(patches: patch_cases.Patches) -> patch_cases.Patches:
        patches[:, :, :3] = 1.7
        return patches

    source, pool = blanked(patch_cases.patches(40, 1)), blanked(patch_cases.patches(60))
    model = fitted(*world_of(source, pool), locality="local")
    _, odd = world_of(pool, blanked(patch_cases.flawed(9, (3, 2))))
    low, high = model.map_range()
    assert high - low < 20
    maps = model.anomaly_map(odd)
    assert patch_cases.hottest(maps) == [(3, 2)] * 9
    assert maps[:, 3, 2].min() > high
    assert maps[:, :3].max() < low


def test_without_patches_there_are_no_maps() -> None:
    model = toy.fit("auto", toy.encoded_world(), locality="global")
    for ask in (lambda: model.anomaly_map(toy.encoded_world().test), model.map_range):
        with pytest.raises(ConfigError, match="auto with these options has no anomaly maps"):
            ask()
