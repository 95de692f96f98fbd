"""BiOST: what is detected behind the translations."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.comparison.biost.cases import QUICK
from tests.methods.contract import CHECKS
from tests.support import toy

from twofold.comparison.biost import method as biost
from twofold.comparison.biost.method import Biost, BiostConfig
from twofold.comparison.pixels import resized
from twofold.densities import unit_rows
from twofold.encoders import pixels as pixels_module
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config

# Each fit takes seconds: a comparison system, with the slow tests.
pytestmark = pytest.mark.slow


class BackConfig(BiostConfig):
    detection: Any = "map_back"


class Back(Biost):
    Config = BackConfig


class ReconConfig(BiostConfig):
    detection: Any = "recon"


class Recon(Biost):
    Config = ReconConfig


class ForestConfig(BiostConfig):
    one_class: Any = "forest"
    trees: int = 20


class WithForest(Biost):
    Config = ForestConfig


@pytest.mark.parametrize("check", ["random_state", "refit", "state", "inputs", "rows", "empty"])
@pytest.mark.parametrize("method", [Back, Recon, WithForest])
def test_the_contract_of_other_detections(method: type[Biost], check: str) -> None:
    CHECKS[check](method)


def test_the_head_knows_translations_and_views_of_the_first_shot(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    encoded: list[NDArray[np.uint8]] = []

    def recorded(encoder: Any, images: NDArray[np.uint8], output: str) -> Any:
        encoded.append(images)
        return pixels_module.encode_pixels(encoder, images, output)

    monkeypatch.setattr(biost, "encode_pixels", recorded)
    monkeypatch.setattr("twofold.comparison.pixels.encode_pixels", recorded)
    world = toy.encoded_world()
    fit = toy.fitting("biost", world, **QUICK)
    views, translated = encoded
    assert views.shape == (4, 32, 32, 3)
    source = resized(world.source["pixels"][:], 32)
    np.testing.assert_array_equal(translated, biost.translate(fit.diagnostics.networks, source))
    features = [pixels_module.encode_pixels(toy.encoder(), part, "pooled") for part in encoded]
    halves = [unit_rows(part).mean(axis=0) for part in features]
    # Views weigh as much as translations.
    np.testing.assert_allclose(fit.model.head_.mean, np.mean(halves, axis=0), atol=1e-6)
    rows = unit_rows(world.test["pooled"])
    wanted = ((rows - fit.model.head_.mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(fit.model.score(world.test), wanted)


def test_only_the_first_shot_is_used() -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    scores = []
    for rows in ([0, 1, 2, 3, 4], [0], [1]):
        some = replace(world, shots=world.shots.subset(np.array(rows)))
        scores.append(toy.fit("biost", some, **QUICK).score(world.test))
    np.testing.assert_array_equal(scores[0], scores[1])
    assert not np.allclose(scores[0], scores[2])


def test_mapped_back_images_meet_the_source() -> None:
    world = toy.encoded_world()
    fit = toy.fitting("biost", world, **QUICK, detection="map_back")
    source = unit_rows(world.source["pooled"])
    np.testing.assert_allclose(fit.model.head_.mean, source.mean(axis=0), atol=1e-4)
    small = resized(world.test["pixels"][:3], 32)
    back = biost.translate(fit.diagnostics.networks, small, "a", "b")
    features = unit_rows(pixels_module.encode_pixels(toy.encoder(), back, "pooled"))
    wanted = ((features - fit.model.head_.mean) ** 2).sum(axis=1)
    np.testing.assert_allclose(fit.model.score(world.test)[:3], wanted, rtol=1e-5)


def test_reconstruction_errors() -> None:
    world = toy.encoded_world()
    fit = toy.fitting("biost", world, **QUICK, detection="recon")
    small = resized(world.test["pixels"][:5], 32)
    made = biost.translate(fit.diagnostics.networks, small, "a", "a")
    wanted = np.abs(made.astype(float) - small).mean(axis=(1, 2, 3)) / 127.5
    np.testing.assert_allclose(fit.model.score(world.test)[:5], wanted, atol=0.004)
    assert not hasattr(fit.model, "head_")


def test_what_is_saved() -> None:
    world = toy.encoded_world()
    parts = {}
    for detection in ("translate", "map_back", "recon"):
        state = toy.fit("biost", world, **QUICK, detection=detection).state()
        parts[detection] = {name.split(".")[0] for name in state}
    assert parts == {"translate": {"head"}, "map_back": {"head", "path"}, "recon": {"path"}}


def test_what_it_reads() -> None:
    wanted = {"translate": ("pooled", "pixels"), "map_back": ("pixels",), "recon": ("pixels",)}
    for detection, outputs in wanted.items():
        config: Any = parse_config(Biost, {"detection": detection})
        assert config.outputs() == outputs
        assert config.shot_outputs() == ("pixels",)


def test_it_ranks_worlds_whose_shot_is_usual() -> None:
    options = QUICK | {"ngf": 4, "epoch_images": 30, "translation_rate": 2e-3}
    areas = [toy.area(toy.fit("biost", w, **options), w) for w in map(toy.encoded_world, (1, 2))]
    assert np.mean(areas) > 0.85


def test_options_change_the_result() -> None:
    world = toy.encoded_world()
    variants: list[dict[str, Any]] = [
        {},
        {"one_class": "forest"},
        {"one_class": "forest", "trees": 40},
        {"detection": "map_back"},
        {"detection": "recon"},
        {"views": 5},
        {"translation_side": 64},
        {"ngf": 3},
        {"residual_blocks": 1},
        {"translation_epochs": 2},
        {"decay_epochs": 1},
        {"epoch_images": 3},
        {"translation_rate": 1e-3},
        {"energy_weight": 0.5},
        {"latent_cycle_weight": 0.5},
        {"latent_cycle_weight": 0.5, "latent_distance": "absolute"},
        {"shot_augmentation": "article"},
    ]
    scores = [toy.fit("biost", world, **QUICK | options).score(world.test) for options in variants]
    for i, one in enumerate(scores):
        for other in scores[:i]:
            assert not np.array_equal(one, other)


def test_the_threshold_rests_on_the_source() -> None:
    world = toy.encoded_world()
    fit = toy.fitting("biost", world, **QUICK)
    reference = fit.out_of_sample
    assert reference.origin == "source"
    assert len(reference.scores) == len(world.source)


def test_translations_before_and_after() -> None:
    world = toy.encoded_world()
    options = QUICK | {"ngf": 4, "epoch_images": 40, "translation_rate": 2e-3}
    fit = toy.fitting("biost", world, **options)
    source = resized(world.source["pixels"][:6], 32)
    before = biost.translate(biost.untrained(fit.model.config, 0), source)
    after = biost.translate(fit.diagnostics.networks, source)
    assert before.shape == after.shape == source.shape
    assert before.dtype == after.dtype == np.uint8
    assert world.shots is not None
    style = world.shots["pixels"][:1].astype(float).mean(axis=(0, 1, 2))

    def away(images: NDArray[np.uint8]) -> float:
        return float(np.abs(images.mean(axis=(0, 1, 2)) - style).sum())

    assert away(after) < away(before)
    assert away(after) < away(source)
    np.testing.assert_array_equal(
        biost.translate(fit.diagnostics.networks, source[2:3])[0], after[2]
    )
    rebuilt = biost.translate(fit.diagnostics.networks, source, "b", "b")
    assert not np.array_equal(rebuilt, after)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"detection": "gan"}, "option detection"),
        ({"one_class": "svm"}, "option one_class"),
        ({"translation_side": 50}, "option translation_side"),
        ({"translation_epochs": 0}, "option translation_epochs"),
        ({"translation_rate": 0}, "option translation_rate"),
        ({"latent_distance": "l3"}, "option latent_distance"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(METHODS.load("biost"), options)
    assert len(str(caught.value).splitlines()) == 1
