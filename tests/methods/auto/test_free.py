"""`auto` without places: flaws on structures that may lie anywhere, and images at another side."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from tests.methods.auto.cases import fitted, whole, world_of
from tests.methods.patch_methods import patch_cases
from tests.support import toy

from twofold.encoders.encode import FrozenEncoder
from twofold.errors import ConfigError
from twofold.eyes import fit_bank, top_mean
from twofold.images import find_images
from twofold.methods import FitData, parse_config
from twofold.methods.auto.method import Auto

FREE = {"locality": "local", "places": "none", "neighbourhood": 3}


def scattered(n: int, seed: int) -> patch_cases.Patches:
    """The patches of normal images, each image's in an order of its own."""
    rng, patches = np.random.default_rng([seed, 9]), patch_cases.patches(n, seed)
    flat = patches.reshape(n, patches.shape[1], -1)
    order = [rng.permutation(flat.shape[2]) for _ in range(n)]
    mixed = [image[:, place] for image, place in zip(flat, order, strict=True)]
    return np.stack(mixed).reshape(patches.shape)


def test_a_flaw_on_scattered_structures_is_found_where_places_are_blind() -> None:
    source, pool = world_of(scattered(40, 1), scattered(60, 2))
    new = scattered(30, 3)
    flaw = new.copy()
    flaw[:, :, 1, 2] += 1.3
    _, normal = world_of(source["patches@3"], new)
    _, odd = world_of(source["patches@3"], flaw)
    free, placed = (
        fitted(source, pool, **(FREE | {"places": places})) for places in ("none", "each")
    )

    def gap(model: Any) -> float:
        return float(np.mean(model.score(odd)[:, None] > model.score(normal)[None]))

    assert gap(free) > 0.95
    assert gap(free) > gap(placed) + 0.05
    maps = free.anomaly_map(odd)
    assert patch_cases.hottest(maps) == [(1, 2)] * 30
    low, high = free.map_range()
    assert low < high


def test_the_view_is_the_bank_and_its_scores_those_of_other_images() -> None:
    source, pool = world_of(patch_cases.patches(10, 1), patch_cases.patches(20, 2))
    method = Auto(toy.encoder(), parse_config(Auto, FREE))
    fit = method.fit(FitData(source=source, target_pool=pool), random_state=4)
    expected = fit_bank(
        source["patches@3"], pool["patches@3"], np.arange(20), trim=0.25, random_state=4
    )
    assert np.array_equal(fit.out_of_sample.scores, top_mean(expected.distances))
    assert np.array_equal(fit.diagnostics.presumed_normal["local"], expected.kept)
    assert dict(fit.diagnostics.choices) == {"local_weight": 1.0}
    scores = top_mean(expected.model.squared_distances(pool["patches@3"]))
    assert np.array_equal(fit.model.score(pool), scores)


def test_with_whole_images_both_have_half_of_the_say() -> None:
    source, pool = world_of(patch_cases.patches(10, 1), patch_cases.patches(20, 2))
    method = Auto(toy.encoder(), parse_config(Auto, {"places": "none", "neighbourhood": 3}))
    fit = method.fit(FitData(source=source, target_pool=pool))
    assert fit.diagnostics.choices["local_weight"] == 0.5


@pytest.mark.parametrize("locality", ["local", "both"])
def test_saved_and_restored(locality: str) -> None:
    source, pool = world_of(patch_cases.patches(10, 1), patch_cases.patches(20, 2))
    options = FREE | {"locality": locality}
    model = fitted(source, pool, **options)
    again = Auto(toy.encoder(), parse_config(Auto, options)).restore(model.state())
    assert np.array_equal(again.score(pool), model.score(pool))
    assert np.array_equal(again.anomaly_map(pool), model.anomaly_map(pool))


@pytest.mark.parametrize("places", ["none", "each"])
@pytest.mark.parametrize("image_score", ["oddest", "peak", "size"])
def test_every_image_score_is_kept(places: str, image_score: str) -> None:
    source, pool = world_of(patch_cases.patches(10, 1), patch_cases.patches(20, 2))
    options = FREE | {"places": places, "image_score": image_score}
    model = fitted(source, pool, **options)
    again = Auto(toy.encoder(), parse_config(Auto, options)).restore(model.state())
    assert np.array_equal(again.score(pool), model.score(pool))
    oddest = fitted(source, pool, **(FREE | {"places": places}))
    assert np.array_equal(again.score(pool), oddest.score(pool)) == (image_score == "oddest")
    with pytest.raises(ConfigError, match="image_score"):
        parse_config(Auto, options | {"image_score": "mean"})


def test_windows_of_a_saved_model_are_checked() -> None:
    source, pool = world_of(patch_cases.patches(10, 1), patch_cases.patches(20, 2))
    options = FREE | {"image_score": "size"}
    state = fitted(source, pool, **options).state()
    with pytest.raises(ConfigError, match="scales of windows"):
        Auto(toy.encoder(), parse_config(Auto, options)).restore(
            state | {"local.windows": -state["local.windows"]}
        )


@pytest.mark.slow
def test_patches_at_another_side() -> None:
    config = parse_config(Auto, {"image_size": 96, "scales": 1})
    assert config.outputs() == ("pooled", "patches@3/96")
    world = toy.make_world(2, n_pool=30, n_source=20, share=0.0)
    images = [
        FrozenEncoder(toy.encoder(), config.outputs(), engine="torch").encode(find_images(pixels))
        for pixels in (world.source, world.pool)
    ]
    model = Auto(toy.encoder(), config).fit(FitData(images[0], images[1])).model
    assert model.anomaly_map(images[1]).shape[1:] == (12, 12)
    assert np.isfinite(model.score(images[1])).all()


@pytest.mark.parametrize(
    "size", [0, 63, 16385, 640.5, True, "large", (640,), (640, 63), [96, 96, 3], {"side": 640}]
)
def test_impossible_sides(size: Any) -> None:
    message = r"option image_size: must be auto, native, 64 to 16384 pixels, or \[width,height\]"
    with pytest.raises(ConfigError, match=message):
        parse_config(Auto, {"image_size": size})


@pytest.mark.parametrize("size", [None, "auto", "native", 64, 16384, (96, 64), [96, 64]])
def test_possible_sides(size: Any) -> None:
    found = parse_config(Auto, {"image_size": size})
    assert found.model_dump()["image_size"] == (tuple(size) if isinstance(size, list) else size)
    assert parse_config(Auto, json.loads(found.model_dump_json())) == found


def test_whole_vectors_stay_those_of_the_encoders_side() -> None:
    assert set(whole(np.zeros((1, 2)))) <= set(parse_config(Auto, {"image_size": 96}).outputs())
