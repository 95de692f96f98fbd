"""`auto`: its views, their mixture, what it settles."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.methods.auto.cases import each_locality, fitted, world_of
from tests.methods.patch_methods import patch_cases
from tests.support import toy

from twofold.densities import fit_adapted_gaussian, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.errors import ConfigError, TwofoldError
from twofold.eyes import as_places, fit_patch_gaussians, patch_moments, top_mean
from twofold.methods import FitData, parse_config
from twofold.methods.auto.method import Auto

Options = dict[str, Any]


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


@pytest.mark.parametrize(
    ("name", "options"),
    [("auto", {}), ("auto", {"places": "none", "locality": "local"}), ("target_only", {})],
)
def test_images_that_are_known_to_be_normal_are_kept(name: str, options: Options) -> None:
    world = toy.encoded_world()
    plain = toy.fitting(name, world, **options)
    method, data = plain.model, toy.fit_data(type(plain.model), world)
    outside = ~np.logical_or.reduce(list(plain.diagnostics.presumed_normal.values()))
    known = outside & (world.pool_labels == 0)
    assert known.any()
    digests = frozenset(world.pool.subset(known).digests)
    fit = type(method)(method.encoder, method.config).fit(replace(data, known_normal=digests))
    for kept in fit.diagnostics.presumed_normal.values():
        assert kept[known].all()
    # They are what is usual now.
    rows = world.pool.subset(known)
    ranks = [
        np.mean(model.score(rows)[:, None] > model.score(world.test), axis=1)
        for model in (plain.model, fit.model)
    ]
    assert ranks[1].mean() < ranks[0].mean()


@pytest.mark.slow
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


@pytest.mark.slow
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


@pytest.mark.slow
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
        "starts_like_source",
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


@pytest.mark.parametrize(("locality", "views"), [("global", 1), ("local", 1), ("both", 2)], ids=str)
def test_progress_is_told(locality: str, views: int) -> None:
    told: list[tuple[int, int]] = []
    method = Auto(toy.encoder(), parse_config(Auto, {"locality": locality}))
    data = toy.fit_data(Auto, toy.encoded_world())
    method.fit(data, progress=lambda done, total: told.append((done, total)))
    assert len(told) >= views
    done, totals = zip(*told, strict=True)
    assert len(set(totals)) == 1
    assert list(done) == sorted(set(done))
    assert done[-1] == totals[0]


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
