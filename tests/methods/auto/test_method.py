"""`auto`: its two views, their mixture, what it settles by itself, and where it sees a flaw."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.methods.patch_methods import patch_cases
from tests.support import toy

from twofold.densities import fit_adapted_gaussian, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError, TwofoldError
from twofold.methods import FitData, parse_config
from twofold.methods.auto.method import Auto
from twofold.patches import as_places, fit_patch_gaussians, patch_moments, top_mean

Options = dict[str, Any]

each_locality = pytest.mark.parametrize("locality", ["global", "local", "both"])


def world_of(
    source: patch_cases.Patches, pool: patch_cases.Patches, seed: int = 0
) -> tuple[EncodedImages, EncodedImages]:
    """With whole vectors that say nothing."""
    rng = np.random.default_rng([seed, 6])
    return (
        patch_cases.images(source, **whole(rng.uniform(1, 2, (len(source), toy.DIM)))),
        patch_cases.images(pool, **whole(rng.uniform(1, 2, (len(pool), toy.DIM)))),
    )


def whole(vectors: NDArray[np.float64]) -> dict[str, NDArray[np.float64]]:
    """The same at every scale."""
    return {"pooled": vectors, "pooled-1": vectors}


def fitted(source: EncodedImages, pool: EncodedImages, **options: Any) -> Any:
    """``Any``, as tests look inside."""
    method = Auto(toy.encoder(), parse_config(Auto, options))
    return method.fit(FitData(source=source, target_pool=pool)).model


@pytest.mark.parametrize(
    ("options", "outputs", "has_maps"),
    [
        ({}, ("pooled", "pooled-1", "patches@3"), True),
        ({"locality": "global"}, ("pooled", "pooled-1"), False),
        ({"locality": "global", "scales": 1}, ("pooled",), False),
        ({"scales": 3}, ("pooled", "pooled-1", "pooled-2", "patches@3"), True),
        ({"locality": "local"}, ("patches@3",), True),
        ({"locality": "local", "layers": (8, 4), "neighbourhood": 5}, ("patches:4+8@5",), True),
        ({"layers": (8,)}, ("pooled", "pooled-1", "patches:8@3"), True),
    ],
)
def test_what_is_looked_at(options: Options, outputs: tuple[str, ...], has_maps: bool) -> None:
    config = parse_config(Auto, options)
    assert config.outputs() == outputs
    assert config.has_maps() == has_maps


@each_locality
def test_only_what_is_looked_at_is_needed(locality: str) -> None:
    world = toy.encoded_world()
    config = parse_config(Auto, {"locality": locality})
    source, pool, test = (
        toy.only(images, *config.outputs()) for images in (world.source, world.pool, world.test)
    )
    scores = fitted(source, pool, locality=locality).score(test)
    assert np.array_equal(scores, toy.fit("auto", world, locality=locality).score(world.test))


def test_the_global_view_is_a_gaussian_of_the_moved_source_and_the_presumed_normals() -> None:
    world = toy.encoded_world()
    source, pool, test = (
        (2 * power_normalise(images["pooled"]) + power_normalise(images["pooled-1"])) / 3
        for images in (world.source, world.pool, world.test)
    )
    fit = toy.fitting("auto", world, locality="global", source_weight=1.0)
    kept = fit.diagnostics.presumed_normal["whole"]
    assert not kept.all()
    assert world.pool_labels[kept].mean() < world.pool_labels.mean()
    expected = fit_adapted_gaussian(source, pool[kept]).squared_distances(test)
    np.testing.assert_allclose(fit.model.score(world.test), expected, rtol=1e-6)


def test_the_local_view_is_a_gaussian_a_place_of_the_presumed_normals() -> None:
    world = toy.encoded_world()
    source, pool, test = (images["patches@3"] for images in (world.source, world.pool, world.test))
    fit = toy.fitting("auto", world, locality="local", source_weight=0.3)
    kept = fit.diagnostics.presumed_normal["local"]
    assert not kept.all()
    assert world.pool_labels[kept].mean() < world.pool_labels.mean()
    model = fit_patch_gaussians(
        patch_moments(as_places(pool), kept), patch_moments(as_places(source)), source_weight=0.3
    )
    np.testing.assert_allclose(
        fit.model.score(world.test), top_mean(model.squared_distances(test)), rtol=1e-5
    )


def test_both_are_mixed_on_their_own_scales() -> None:
    world = toy.encoded_world()
    alone = {name: toy.fitting("auto", world, locality=name) for name in ("global", "local")}
    standard = {}
    for name, fit in alone.items():
        outside = np.log(fit.out_of_sample.scores)
        center = np.median(outside)
        spread = center - np.quantile(outside, 0.158655)
        standard[name] = (np.log(fit.model.score(world.test)) - center) / spread
    for weight in (0.0, 0.25, 1.0):
        mixed = toy.fitting("auto", world, local_weight=weight)
        assert mixed.diagnostics.choices["local_weight"] == weight
        expected = weight * standard["local"] + (1 - weight) * standard["global"]
        np.testing.assert_allclose(mixed.model.score(world.test), expected, atol=1e-4)


@pytest.mark.parametrize("scales", [1, 2, 3])
def test_scales_count_by_their_area(scales: int) -> None:
    rng = np.random.default_rng(1)
    parts = [rng.uniform(0, 2, (40, toy.DIM)) for _ in range(scales)]
    images = toy.from_arrays(**dict(zip(("pooled", "pooled-1", "pooled-2"), parts, strict=False)))
    pool = images.subset(np.arange(40) < 30)
    model = fitted(pool, pool, locality="global", scales=scales, trim=0.0)
    weights = np.array([4, 2, 1])[:scales]
    vectors = sum(w * power_normalise(part) for w, part in zip(weights, parts, strict=True))
    rows = vectors / weights.sum()
    expected = fit_adapted_gaussian(rows[:30], rows[:30]).squared_distances(rows[30:])
    found = model.score(images.subset(np.arange(40) >= 30))
    np.testing.assert_allclose(found, expected, rtol=1e-4)


def test_arrays_of_other_scales_are_refused() -> None:
    state = toy.fit("auto", toy.encoded_world(), locality="global").state()
    config = parse_config(Auto, {"locality": "global", "scales": 1})
    with pytest.raises(ConfigError, match="do not fit method auto"):
        Auto(toy.encoder(), config).restore(state)
    # As before there were scales.
    del state["scales"]
    with pytest.raises(ConfigError, match="do not fit method auto"):
        Auto(toy.encoder(), config).restore(state)


def test_every_view_ranks_the_toy_world() -> None:
    for locality in ("global", "local", "both"):
        areas = [
            toy.area(toy.fit("auto", world, locality=locality), world)
            for world in map(toy.encoded_world, range(3))
        ]
        assert np.mean(areas) > 0.85, locality


def choices(source: EncodedImages, pool: EncodedImages) -> Mapping[str, float]:
    data = FitData(source=source, target_pool=pool)
    return Auto(toy.encoder()).fit(data).diagnostics.choices


def test_what_was_settled() -> None:
    """Places that explain nearly all, a source that varies alike, and one that does not."""
    few, many = patch_cases.patches(8), patch_cases.patches(80, 1, shift=2.0)
    helped = choices(*world_of(many, few))
    assert set(helped) == {
        "apart",
        "global_source_weight",
        "local_weight",
        "place_share",
        "source_weight",
    }
    assert helped["source_weight"] > 0
    assert helped["place_share"] > 0.8
    assert helped["local_weight"] > 0.9
    noise = np.random.default_rng(0).normal(2, 3, many.shape).astype(np.float32)
    spoilt = choices(*world_of(noise, many))
    assert spoilt["source_weight"] == 0
    anywhere = choices(*world_of(noise, noise[::-1].copy()))
    assert anywhere["place_share"] < 0.1
    assert anywhere["local_weight"] < 0.05


@pytest.mark.parametrize(
    ("options", "local_weight"),
    [({"locality": "global"}, 0.0), ({"locality": "local"}, 1.0), ({"local_weight": 0.4}, 0.4)],
    ids=str,
)
def test_the_weight_of_one_view_or_a_given_one(options: Options, local_weight: float) -> None:
    fit = toy.fitting("auto", toy.encoded_world(), **options)
    assert fit.diagnostics.choices["local_weight"] == local_weight


def test_without_its_weight_the_source_does_not_matter_locally() -> None:
    pool, other = patch_cases.patches(40), patch_cases.patches(30, 1, shift=4.0)
    options: Options = {"locality": "local", "source_weight": 0.0}
    one, two = (fitted(*world_of(source, pool), **options) for source in (pool, other))
    test = world_of(pool, patch_cases.patches(9, 4))[1]
    assert np.array_equal(one.score(test), two.score(test))


@each_locality
def test_saved_and_restored(locality: str) -> None:
    world = toy.encoded_world()
    fit = toy.fitting("auto", world, locality=locality)
    config = parse_config(Auto, {"locality": locality})
    restored = Auto(toy.encoder(), config).restore(fit.model.state())
    assert np.array_equal(restored.score(world.test), fit.model.score(world.test))
    if locality != "global":
        assert np.array_equal(restored.anomaly_map(world.test), fit.model.anomaly_map(world.test))
        assert restored.map_range() == fit.model.map_range()
    for other in {"global", "local", "both"} - {locality}:
        with pytest.raises(ConfigError, match="do not fit method auto"):
            Auto(toy.encoder(), parse_config(Auto, {"locality": other})).restore(fit.model.state())


def test_saved_arrays_are_checked() -> None:
    state = toy.fit("auto", toy.encoded_world()).state()
    scale, maps = state["local.scale"], state["local.maps"]
    for name, bad in (
        ("weight", np.array([1.5])),
        ("weight", np.array([np.nan])),
        ("whole.mean", state["whole.mean"][:-1]),
        ("local.mean", state["local.mean"][:, :-1]),
        ("whole.scale", np.array([1.0, 0.0])),
        ("local.scale", np.array([np.nan, scale[1]])),
        ("local.maps", maps[:-1]),
        ("local.maps", np.where(np.arange(5) == 3, maps[2], maps)),
    ):
        with pytest.raises(ConfigError, match="do not fit method auto"):
            Auto(toy.encoder()).restore(state | {name: bad})


@each_locality
def test_the_folds_of_the_pool_are_the_random_states(locality: str) -> None:
    one, again, other = (
        toy.fitting("auto", toy.encoded_world(), seed, locality=locality).out_of_sample
        for seed in (0, 0, 1)
    )
    assert one.origin == "target"
    assert np.array_equal(one.scores, again.scores)
    assert not np.array_equal(one.scores, other.scores)


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


@pytest.mark.parametrize(("locality", "views"), [("global", 1), ("local", 1), ("both", 2)], ids=str)
def test_progress_is_told(locality: str, views: int) -> None:
    told: list[tuple[int, int]] = []
    method = Auto(toy.encoder(), parse_config(Auto, {"locality": locality}))
    data = toy.fit_data(Auto, toy.encoded_world())
    method.fit(data, progress=lambda done, total: told.append((done, total)))
    total = len(told)
    assert total >= views
    assert told == [(step, total) for step in range(1, total + 1)]


@pytest.mark.parametrize("n", [1, 2, 3, 4])
@each_locality
def test_few_images(locality: str, n: int) -> None:
    """A result or a named error, and with four a result."""
    source, pool = world_of(patch_cases.patches(6, 1), patch_cases.patches(n))
    try:
        model = fitted(source, pool, locality=locality)
    except TwofoldError:
        assert n < 4
        return
    assert np.isfinite(model.score(source)).all()


@pytest.mark.parametrize(
    "options",
    [
        {"locality": "somewhere"},
        {"layers": ()},
        {"neighbourhood": 0},
        {"source_weight": 1.5},
        {"local_weight": -0.1},
    ],
    ids=str,
)
def test_impossible_options(options: Options) -> None:
    with pytest.raises(ConfigError, match=f"auto, option {next(iter(options))}"):
        parse_config(Auto, options)
