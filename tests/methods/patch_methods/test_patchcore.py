"""PatchCore against slow loops: nearest patches, the weight of eq. 7, the size of the bank."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from scipy.spatial.distance import cdist
from tests.methods.patch_methods import patch_cases
from tests.support import toy

from twofold.errors import CollapseError, ConfigError, NotEnoughImagesError
from twofold.methods import FitData, parse_config
from twofold.methods.patch_methods.patchcore import PatchBank, Patchcore, PatchcoreConfig

Options = dict[str, Any]


def rows_of(patches: patch_cases.Patches) -> Any:
    """(n, p, c)."""
    return patches.reshape(*patches.shape[:2], -1).transpose(0, 2, 1)


def slow_score(image: Any, bank: Any, b: int) -> float:
    """Eq. 6 and 7, literally."""
    between = [[np.linalg.norm(patch - row) for row in bank] for patch in image]
    nearest = [min(distances) for distances in between]
    oddest = int(np.argmax(nearest))
    if b == 1:
        return float(nearest[oddest])
    support = bank[int(np.argmin(between[oddest]))]
    beside = sorted(bank, key=lambda row: float(np.linalg.norm(row - support)))[:b]
    weights = [np.exp(np.linalg.norm(image[oddest] - row)) for row in beside]
    own = np.exp(np.linalg.norm(image[oddest] - support))
    return float((1 - own / sum(weights)) * nearest[oddest])


@pytest.mark.parametrize("b", [1, 2, 9, 100])
def test_scores_are_those_of_a_slow_loop(b: int) -> None:
    bank = rows_of(patch_cases.patches(3))[:, :7].reshape(-1, toy.DIM)
    test = patch_cases.patches(6, 1)
    model = PatchBank(np.ascontiguousarray(bank), b)
    expected = [
        slow_score(image.astype(np.float64), bank.astype(np.float64), b) for image in rows_of(test)
    ]
    np.testing.assert_allclose(model.scores(test), expected, rtol=1e-5)


def test_distances_are_to_the_nearest_row() -> None:
    bank = rows_of(patch_cases.patches(20)).reshape(-1, toy.DIM)
    test = patch_cases.patches(6, 1)
    distances = PatchBank(np.ascontiguousarray(bank), 9).distances(test)
    expected = [cdist(image, bank).min(axis=1) for image in rows_of(test)]
    np.testing.assert_allclose(distances, expected, rtol=1e-5)
    assert distances.dtype == np.float64


def test_far_from_the_origin_near_patches_keep_their_distances() -> None:
    """The expanded squares would round them away."""
    bank = rows_of(patch_cases.patches(5) + np.float32(300)).reshape(-1, toy.DIM)
    test = patch_cases.patches(5) + np.float32(300)
    test[:, 0] += np.float32(0.01)
    distances = PatchBank(np.ascontiguousarray(bank), 1).distances(test)
    np.testing.assert_allclose(distances, 0.01, rtol=0.02)


def test_one_row_has_no_neighbours() -> None:
    bank = rows_of(patch_cases.patches(1))[0, :1]
    test = patch_cases.patches(4, 1)
    scores = PatchBank(np.ascontiguousarray(bank), 9).scores(test)
    np.testing.assert_allclose(scores, [cdist(i, bank).max() for i in rows_of(test)], rtol=1e-5)


@pytest.mark.parametrize(
    ("options", "size"),
    [
        ({}, 500),
        ({"coreset_least": 1}, 10),
        ({"coreset_share": 0.6, "coreset_least": 1}, 576),
        ({"coreset_share": 1.0}, 960),
        ({"coreset_limit": 40}, 40),
        ({"candidates": 70}, 70),
    ],
)
def test_the_size_of_the_bank(options: Options, size: int) -> None:
    pool = patch_cases.patches(60)
    state = patch_cases.fit("patchcore", pool, pool, **options).state()
    assert state["bank"].shape == (size, toy.DIM)
    assert state["bank"].dtype == np.float32


def test_a_bank_of_all_patches_is_no_collapse() -> None:
    """Its own images are at distance 0, which says nothing."""
    pool = patch_cases.patches(10)
    model = patch_cases.fit("patchcore", pool, pool, coreset_share=1.0)
    assert not model.score(patch_cases.images(pool)).any()
    odd, normal = patch_cases.flawed(9, (0, 0)), patch_cases.patches(9, 2)
    assert (
        model.score(patch_cases.images(odd)).min() > model.score(patch_cases.images(normal)).max()
    )


@pytest.mark.parametrize("fit_on", ["source", "pool"])
def test_a_flaw_is_found_at_its_place(fit_on: str) -> None:
    known, shifted = patch_cases.patches(80), patch_cases.patches(80, 2, shift=1.0)
    source, pool = (known, None) if fit_on == "source" else (shifted, known)
    model = patch_cases.fit("patchcore", source, pool, fit_on=fit_on)
    odd = patch_cases.images(patch_cases.flawed(12, (2, 1)))
    assert patch_cases.hottest(model.anomaly_map(odd)) == [(2, 1)] * 12
    normal = patch_cases.images(patch_cases.patches(12, 4))
    assert model.score(odd).min() > model.score(normal).max()
    low, high = model.map_range()
    assert low < high < model.anomaly_map(odd).max(axis=(1, 2)).min()


@pytest.mark.slow
def test_the_toy_world_without_anomalies_in_the_pool() -> None:
    for seed in range(3):
        clean = toy.encoded_world(seed, share=0.0)
        assert toy.area(toy.fit("patchcore", clean), clean) > 0.88


@pytest.mark.slow
def test_anomalies_in_the_pool_count_as_normal() -> None:
    """The known weakness, which the docs name; with it the contract's floor is not reached."""
    clean, spoilt = (
        [toy.encoded_world(seed, share=share) for seed in range(3)] for share in (0.0, 0.1)
    )
    areas = [
        np.mean([toy.area(toy.fit("patchcore", world), world) for world in worlds])
        for worlds in (clean, spoilt)
    ]
    assert areas[0] > areas[1] + 0.1
    odd = patch_cases.images(patch_cases.flawed(9, (1, 1), seed=8))
    pool = patch_cases.patches(60)
    alone = patch_cases.fit("patchcore", pool, pool).score(odd)
    pool[:2] = patch_cases.flawed(2, (1, 1))
    assert np.median(patch_cases.fit("patchcore", pool, pool).score(odd)) < 0.6 * np.median(alone)


@pytest.mark.slow
def test_on_the_source_no_target_is_needed_nor_seen() -> None:
    world = toy.encoded_world()
    config = PatchcoreConfig(fit_on="source")
    assert config.wanted(Patchcore.needs) == set()
    model = Patchcore(toy.encoder(), config)
    data = FitData(source=world.source)
    reference = model.fit(data).out_of_sample
    assert reference.origin == "source"
    assert reference.scores.shape == (len(world.source),)
    assert np.mean([_area_on_source(seed) for seed in range(3)]) > 0.7
    with pytest.raises(ConfigError, match="must not see target_pool"):
        model.fit(FitData(source=world.source, target_pool=world.pool))


def _area_on_source(seed: int) -> float:
    world = toy.encoded_world(seed)
    return toy.area(toy.fit("patchcore", world, fit_on="source"), world)


def test_a_blank_background_leaves_the_maps_their_scale() -> None:
    """Copies of one patch are at distance 0 from the bank, and a logarithm of 0 is no scale."""

    def blanked(patches: patch_cases.Patches) -> patch_cases.Patches:
        patches[:, :, :3] = 1.7
        return patches

    pool, odd = blanked(patch_cases.patches(60)), blanked(patch_cases.flawed(9, (3, 2)))
    model = patch_cases.fit("patchcore", pool, pool)
    low, high = model.map_range()
    assert high - low < 20
    maps = model.anomaly_map(patch_cases.images(odd))
    assert patch_cases.hottest(maps) == [(3, 2)] * 9
    assert maps[:, 3, 2].min() > (low + high) / 2
    assert maps[:, :3].max() < low


@pytest.mark.parametrize(
    "options",
    [
        {"coreset_share": 0},
        {"coreset_share": 1.1},
        {"coreset_least": 0},
        {"coreset_limit": 0},
        {"candidates": 0},
        {"neighbours": 0},
    ],
    ids=str,
)
def test_impossible_options(options: Options) -> None:
    with pytest.raises(ConfigError, match=f"patchcore, option {next(iter(options))}"):
        parse_config(Patchcore, options)


def test_too_few_images() -> None:
    """Of two, each is as far from the other."""
    two, three = patch_cases.patches(2), patch_cases.patches(3)
    with pytest.raises(NotEnoughImagesError, match="at least 3 images of the pool, got 2"):
        patch_cases.fit("patchcore", three, two)
    for options in ({}, {"coreset_share": 1.0}, {"coreset_limit": 1}):
        model = patch_cases.fit("patchcore", two, three, **options)
        assert np.isfinite(model.score(patch_cases.images(patch_cases.patches(4, 1)))).all()


def test_copies_collapse() -> None:
    same = np.repeat(patch_cases.patches(1), 9, axis=0)
    with pytest.raises(CollapseError, match="all 9 images the same score"):
        patch_cases.fit("patchcore", same, same)


def test_saved_arrays_are_checked() -> None:
    pool = patch_cases.patches(20)
    state = patch_cases.fit("patchcore", pool, pool).state()
    bank = state["bank"]
    for bad in (
        bank[:0],
        bank[0],
        bank[:, :-1],
        bank.astype(np.float64),
        np.concatenate([bank, bank[:1]]),
        np.where(np.arange(len(bank))[:, None] == 3, np.float32(np.nan), bank),
    ):
        with pytest.raises(ConfigError, match="do not fit method patchcore"):
            Patchcore(toy.encoder()).restore(state | {"bank": bad})
