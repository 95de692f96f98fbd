"""`auto` chooses its way of looking by made-up flaws on images that it was not fitted to."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from tests.support import toy

from twofold.densities import fit_adapted_gaussian, power_normalise
from twofold.encoders.encode import FrozenEncoder
from twofold.errors import ConfigError
from twofold.eyes import as_places, fit_patch_gaussians, patch_moments
from twofold.images import find_images
from twofold.methods import FitData, parse_config
from twofold.methods.auto import choice, trial
from twofold.methods.auto.config import AutoConfig
from twofold.methods.auto.method import Auto
from twofold.methods.auto.size import chosen_size, native_size, places_agree
from twofold.methods.auto.trial import LEAST_POOL, make_trial, separation
from twofold.methods.auto.way import fit_way
from twofold.methods.progress import Steps
from twofold.synthetic import GRADES


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return toy.encoded_world()


def fit(world: toy.Encoded, **options: Any) -> Any:
    data = FitData(world.source, world.pool)
    return Auto(toy.encoder(), parse_config(Auto, options)).fit(data, random_state=3)


def separations(monkeypatch: pytest.MonkeyPatch, placed: float, free: float) -> None:
    """As if the ways saw made-up flaws that well."""
    real = trial.FlawTrial.scores
    ways: list[str] = []

    def scores(given: Any, way: Any) -> Any:
        ways.append(way.config.places)
        return real(given, way)

    monkeypatch.setattr(trial.FlawTrial, "scores", scores)
    values = {"each": placed, "none": free}
    monkeypatch.setattr(choice, "separation", lambda clean, flawed: np.full(7, values[ways[-1]]))


def test_separation_is_the_area_under_the_curve() -> None:
    rng = np.random.default_rng(0)
    clean, flawed = rng.integers(0, 6, 15).astype(float), rng.integers(0, 9, (7, 15)).astype(float)
    labels = np.repeat([0, 1], 15)
    expected = [roc_auc_score(labels, np.concatenate([clean, row])) for row in flawed]
    assert separation(clean, flawed) == pytest.approx(expected)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("placed", "free", "places"),
    [(0.6, 0.81, "none"), (0.6, 0.79, "each"), (0.9, 0.94, "each"), (0.5, 0.76, "none")],
)
def test_a_bank_takes_over_where_it_makes_half_of_the_errors(
    world: toy.Encoded, monkeypatch: pytest.MonkeyPatch, placed: float, free: float, places: str
) -> None:
    separations(monkeypatch, placed, free)
    found = fit(world)
    assert found.model.config.places == places
    choices = found.diagnostics.choices
    if places == "none":
        assert found.model.config.locality == "local"
        assert choices["separation"] == pytest.approx(free)
        assert choices["separation_with_places"] == pytest.approx(placed)
    else:
        assert choices["separation"] == pytest.approx(placed)
        assert choices["separation_without_places"] == pytest.approx(free)
        assert found.model.config.locality == "both"


@pytest.mark.slow
def test_a_choice_of_places_is_the_fit_without_any_choice(world: toy.Encoded) -> None:
    chosen, fast = fit(world), fit(world, effort="fast")
    assert chosen.model.config.places == "each"
    assert np.array_equal(chosen.model.score(world.test), fast.model.score(world.test))
    assert np.array_equal(chosen.out_of_sample.scores, fast.out_of_sample.scores)
    assert fast.diagnostics.made_up_flaws is None
    assert "separation" not in fast.diagnostics.choices


@pytest.mark.slow
def test_what_was_chosen_is_what_is_fitted_when_it_is_asked_for(
    world: toy.Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    separations(monkeypatch, 0.5, 1.0)
    chosen = fit(world)
    asked = fit(world, locality="local", places="none")
    assert np.array_equal(chosen.model.score(world.test), asked.model.score(world.test))
    assert chosen.model.config.model_dump() == asked.model.config.model_dump() | {
        "effort": "balanced"
    }
    again = chosen.model.restore(chosen.model.state())
    assert np.array_equal(again.score(world.test), chosen.model.score(world.test))


@pytest.mark.parametrize("options", [{"places": "each"}, {"locality": "global"}], ids=str)
def test_nothing_is_compared_where_the_options_leave_nothing_open(
    world: toy.Encoded, options: dict[str, Any]
) -> None:
    found = fit(world, **options)
    assert "separation" in found.diagnostics.choices
    assert "separation_without_places" not in found.diagnostics.choices
    assert found.diagnostics.made_up_flaws is not None


def test_flaws_are_scored_by_models_that_have_not_seen_their_images(world: toy.Encoded) -> None:
    flaws = fit(world).diagnostics.made_up_flaws
    normal = np.ones(len(world.pool), dtype=bool)
    trial = make_trial(world.pool, normal, random_state=3)
    assert trial is not None
    assert flaws is not None
    assert trial.held_out[trial.rows].all()
    assert len(trial.rows) == trial.held_out.sum() == 20
    assert flaws.scores.shape[0] == len(GRADES)
    # Of the fit itself, out of sample: what its threshold is read off.
    assert len(flaws.out_of_sample.scores) == len(world.pool)
    assert (np.diff(flaws.sides) >= 0).all()
    assert flaws.sides[-1] == pytest.approx(np.sqrt(0.05) * toy.SIDE)


def test_groups_are_held_out_together(world: toy.Encoded) -> None:
    groups = np.arange(len(world.pool)) // 2
    pool = replace(world.pool, groups=groups)
    trial = make_trial(pool, np.ones(len(pool), dtype=bool), random_state=0)
    assert trial is not None
    assert len(np.unique(groups[trial.rows])) == len(trial.rows)
    assert not np.isin(groups[~trial.held_out], groups[trial.rows]).any()
    assert not trial.held_out[trial.donors].any()


def test_a_way_without_images_is_fitted_to_the_other_presumed_normals(world: toy.Encoded) -> None:
    config = AutoConfig().settled()
    way = fit_way(config, FitData(world.source, world.pool), 3, Steps(None, 4))
    held_out = np.arange(len(world.pool)) % 5 == 0
    other = way.without(held_out)
    name = config.patches()
    local = fit_patch_gaussians(
        patch_moments(as_places(world.pool[name]), way.normal["local"] & ~held_out),
        patch_moments(as_places(world.source[name])),
        source_weight=way.choices["source_weight"],
    )
    np.testing.assert_allclose(
        other.views.local[0].model.squared_distances(world.test[name]),
        local.squared_distances(world.test[name]),
        rtol=1e-3,
    )
    source, pool, test = (
        (2 * power_normalise(images["pooled"]) + power_normalise(images["pooled-1"])) / 3
        for images in (world.source, world.pool, world.test)
    )
    whole = fit_adapted_gaussian(source, pool[way.normal["whole"] & ~held_out])
    assert other.views.whole is not None
    np.testing.assert_allclose(
        other.views.whole.models[0].squared_distances(test),
        whole.squared_distances(test),
        rtol=1e-6,
    )
    # What the fit makes of scores stays; and the fit itself.
    assert other.views.local_scale == way.views.local_scale
    assert not np.array_equal(other.score(world.test), way.score(world.test))
    assert way.kept().rest is None


def test_a_small_pool_and_images_that_are_gone_keep_the_places(world: toy.Encoded) -> None:
    few = world.pool.subset(np.arange(LEAST_POOL - 1))
    gone = replace(world.pool, originals=None)
    for pool in (few, gone):
        assert make_trial(pool, np.ones(len(pool), dtype=bool), random_state=0) is None
        found = Auto(toy.encoder(), AutoConfig()).fit(FitData(world.source, pool))
        assert found.model.config.places == "each"
        assert found.diagnostics.made_up_flaws is None


def test_no_presumed_normal_no_trial(world: toy.Encoded) -> None:
    assert make_trial(world.pool, np.zeros(len(world.pool), dtype=bool), random_state=0) is None


def sizes(*longest: int) -> list[tuple[int, int]]:
    return [(side, side // 2) for side in longest]


@pytest.mark.parametrize(
    ("longest", "effort", "side"),
    [
        ((640, 640, 640), "balanced", (640, 320)),
        ((300, 301), "balanced", (320, 160)),
        ((5000,), "balanced", (1024, 512)),
        ((5000,), "thorough", (2048, 1024)),
        ((5000,), "fast", None),
        ((5000,), None, (5024, 2496)),
        ((40_000,), None, (16384, 8192)),
        ((20, 30), "balanced", None),
        ((100, 100, 4000), "balanced", (128, 64)),
    ],
    ids=str,
)
def test_the_side_is_that_of_the_images(
    longest: tuple[int, ...], effort: Any, side: tuple[int, int] | None
) -> None:
    assert native_size(sizes(*longest), toy.encoder(), effort) == side


def test_native_is_the_side_of_the_images_with_places_as_well() -> None:
    rng = np.random.default_rng(0)
    images: NDArray[np.uint8] = rng.integers(0, 256, (40, 64, 96, 3), dtype=np.uint8)
    source, pool = toy.encode(images[:20], ("pooled",)), toy.encode(images[20:], ("pooled",))
    method = Auto(toy.encoder(), AutoConfig(image_size="native", locality="local", effort="fast"))
    found = method.fit(FitData(source, pool))
    # Places are those of a square.
    assert (found.model.config.image_size, found.model.config.places) == (96, "each")
    assert found.model.config.outputs() == ("patches@3/96",)


@pytest.mark.parametrize(
    ("options", "side"),
    [
        ({"places": "none"}, (640, 320)),
        ({"places": "none", "effort": "fast"}, None),
        ({"places": "none", "image_size": "native", "effort": "fast"}, (640, 320)),
        ({"places": "none", "image_size": 300}, (300, 160)),
        ({"places": "none", "image_size": (300, 200)}, (300, 200)),
        ({"places": "none", "image_size": None}, None),
        ({"places": "each", "image_size": 300}, 300),
        ({"places": "each", "image_size": "native"}, 640),
        ({"image_size": "auto"}, None),
        ({"places": "none", "locality": "global"}, None),
    ],
    ids=str,
)
def test_aspect_ratios_are_kept_where_places_are_not_told_apart(
    options: dict[str, Any], side: Any
) -> None:
    config = AutoConfig(**options)
    assert chosen_size(config, sizes(640, 640, 640), toy.encoder()) == side


@pytest.mark.parametrize(
    ("sets", "agree"),
    [
        ([[(300, 200)] * 20, [(600, 400)] * 10], True),
        ([[(300, 200)] * 20, [(600, 400)] * 9 + [(10, 4000)]], True),
        ([[(300, 200)] * 20, [(600, 400)] * 8 + [(400, 600)] * 2], False),
        ([[(300, 200)] * 8 + [(200, 300)] * 2, [(600, 400)] * 10], False),
        ([[(300, 300)] * 20, [(600, 400)] * 10], False),
        ([[(300, 290)] * 20, [(300, 300)] * 10], True),
    ],
)
def test_places_agree_where_nine_of_ten_images_have_one_shape(
    sets: list[list[tuple[int, int]]], agree: bool
) -> None:
    assert places_agree(*sets) is agree


def shaped(images: NDArray[np.uint8], share: float) -> list[NDArray[np.uint8]]:
    """The same, of a share of them the upper half alone."""
    cut = round(share * len(images))
    return [*(image[: toy.SIDE // 2] for image in images[:cut]), *images[cut:]]


@pytest.mark.parametrize(
    ("options", "share", "whole_decide"),
    [
        ({}, 0.3, True),
        ({}, 0.05, False),
        ({"places": "each"}, 0.3, False),
        ({"local_weight": 0.7}, 0.3, False),
    ],
    ids=str,
)
def test_places_have_no_say_where_images_have_several_shapes(
    options: dict[str, Any], share: float, whole_decide: bool
) -> None:
    world = toy.make_world(n_source=40, n_pool=40)
    source, pool = (
        FrozenEncoder(toy.encoder(), AutoConfig().outputs(), engine="torch").encode(
            find_images(images)
        )
        for images in (list(world.source), shaped(world.pool, share))
    )
    data = FitData(source, pool)
    config = parse_config(Auto, {"effort": "fast", **options})
    model = Auto(toy.encoder(), config).fit(data, random_state=0).model
    whole = Auto(toy.encoder(), AutoConfig(effort="fast", local_weight=0.0)).fit(data).model
    assert np.array_equal(model.score(pool), whole.score(pool)) is whole_decide
    # Where a flaw lies is still said.
    assert np.isfinite(model.anomaly_map(pool)).all()
    assert model.restore(model.state()).score(pool) == pytest.approx(model.score(pool), abs=0)


@pytest.mark.parametrize(
    "options",
    [{"image_size": "large"}, {"image_size": 32}, {"places": "some"}, {"effort": "most"}],
    ids=str,
)
def test_options_that_do_not_exist(options: dict[str, Any]) -> None:
    with pytest.raises(ConfigError, match=next(iter(options))):
        parse_config(Auto, options)


@pytest.mark.slow
def test_pictures_of_any_size_in_one_pool() -> None:
    """A narrow strip, images smaller than a flaw's window, and large ones among them."""
    rng = np.random.default_rng(0)
    shapes = [(8, 4000), (8, 8), (16, 16), (300, 200), (64, 64), (3000, 20)] * 8

    def images(offset: int) -> list[NDArray[np.uint8]]:
        return [
            rng.integers(offset, 200, (height, width, 3), dtype=np.uint8)
            for height, width in shapes
        ]

    source, pool = (
        FrozenEncoder(toy.encoder(), AutoConfig().outputs(), engine="torch").encode(
            find_images(images(offset))
        )
        for offset in (0, 50)
    )
    found = Auto(toy.encoder(), AutoConfig()).fit(FitData(source, pool), random_state=1)
    assert np.isfinite(found.model.score(pool)).all()
    trial = make_trial(pool, np.ones(len(pool), dtype=bool), random_state=1)
    assert trial is not None
    # Of the last, reduced to 2,048 pixels, too little is left to be painted on.
    assert all(shapes[row] in ((16, 16), (300, 200), (64, 64)) for row in trial.rows)
    flaws = found.diagnostics.made_up_flaws
    assert flaws is not None
    assert np.isfinite(flaws.scores).all()
