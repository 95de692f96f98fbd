"""IRAD on features: the forest on shared latents, options, interruption."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.comparison.irad.cases import PIXEL
from tests.support import toy

from twofold.comparison import checkpoint
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config
from twofold.training import forward_all

# Each fit takes seconds: a comparison system, with the slow tests.
pytestmark = pytest.mark.slow


def test_the_score_is_a_forest_on_shared_latents() -> None:
    world = toy.encoded_world()
    model = toy.fit("irad", world, least_steps=20, trees=30)
    rows = model.forest_.rows
    assert rows.shape == (2 * len(world.source), 64)
    scaled = (world.source["pooled"] - model._scale["mean"]) / model._scale["std"]
    latents = forward_all(model.shared_, scaled)
    np.testing.assert_array_equal(rows[: len(latents)], latents.astype(np.float32))
    # The second half: shots, resampled with replacement.
    assert len(np.unique(rows[len(latents) :], axis=0)) == toy.N_SHOTS
    wanted = -model.forest_.model.score_samples(rows)
    np.testing.assert_allclose(model.score(world.source), wanted[: len(latents)])


def test_features_are_standardised_over_both_domains() -> None:
    world = toy.encoded_world()
    model = toy.fit("irad", world, least_steps=1, adversarial_epochs=1)
    assert world.shots is not None
    source, shots = world.source["pooled"], world.shots["pooled"]
    low, high = (np.minimum, np.maximum)
    mean = model._scale["mean"]
    assert (mean <= high(source.mean(0), shots.max(0)) + 1e-5).all()
    assert (mean >= low(source.mean(0), shots.min(0)) - 1e-5).all()
    assert not np.allclose(mean, source.mean(axis=0), atol=1e-3)


def test_a_dead_feature_changes_nothing() -> None:
    world = toy.encoded_world()
    dead = replace(
        world,
        source=with_dead_feature(world.source),
        test=with_dead_feature(world.test),
        shots=with_dead_feature(world.shots),
    )
    model = toy.fit("irad", dead, least_steps=5)
    assert model._scale["std"][3] == 1.0
    assert np.isfinite(model.score(dead.test)).all()


def with_dead_feature(images: Any) -> Any:
    pooled = images["pooled"].copy()
    pooled[:, 3] = 0
    return replace(images, arrays={"pooled": pooled})


@pytest.mark.parametrize("options", [{}, {"form": "published"}, {"adversarial_loss": "lsgan"}])
def test_it_learns_to_rebuild_and_ranks_the_toy_world(options: dict[str, Any]) -> None:
    areas = []
    for seed in range(2):
        world = toy.encoded_world(seed)
        fit = toy.fitting("irad", world, seed, least_steps=150, adversarial_rate=1e-3, **options)
        assert fit.diagnostics.losses["training"][-1] < fit.diagnostics.losses["training"][0]
        areas.append(toy.area(fit.model, world))
    # l_sim turns all shared latents one way, and what told images apart goes with the rest.
    assert np.mean(areas) > (0.6 if "form" in options else 0.75)


def test_source_images_are_rebuilt_the_better_the_more_cycles_weigh() -> None:
    """The recorded loss sums players who pull against each other; l1 by itself has to fall."""
    world = toy.encoded_world()
    options: dict[str, Any] = {"trees": 20, "adversarial_rate": 1e-3, "adversarial_epochs": 1}

    def error(**others: Any) -> float:
        fit = toy.fitting("irad", world, **options | others)
        nets = fit.diagnostics.networks
        rows = torch.from_numpy(fit.model._scaled(fit.model._rows(world.source)))
        with torch.no_grad():
            made = nets.generator(nets.private(rows) + nets.shared(rows))
        return float((rows - made).square().mean())

    first, last = error(least_steps=1), error(least_steps=100)
    heavy = error(least_steps=100, cycle_weight=30.0)
    assert last < 0.3 * first
    assert heavy < 0.6 * last


def test_options_change_the_result() -> None:
    world = toy.encoded_world(0, n_source=40, n_pool=10, n_test=20)
    base = {"least_steps": 16, "adversarial_epochs": 5, "trees": 20}
    variants: list[dict[str, Any]] = [
        {},
        {"form": "published"},
        {"form": "published", "latent_weight": 50.0},
        {"adversarial_loss": "lsgan"},
        {"cycle_weight": 30.0},
        {"latent_dim": 32},
        {"adversarial_epochs": 17},
        {"least_steps": 18},
        {"adversarial_batch": 20},
        {"adversarial_rate": 1e-3},
        {"generator_width": 100},
        {"trees": 40},
        {"space": "pixel", "ngf": 2, "least_steps": 2},
        {"space": "pixel", "ngf": 3, "least_steps": 2},
        {"space": "pixel", "ngf": 2, "least_steps": 2, "pixel_side": 64},
    ]
    scores = [toy.fit("irad", world, **base | options).score(world.test) for options in variants]
    for i, one in enumerate(scores):
        for other in scores[:i]:
            assert not np.allclose(one, other, rtol=1e-9, atol=0)


def test_how_long_it_trains() -> None:
    """15 epochs, or as many as make up the least number of steps; the rest of an epoch is left."""
    world = toy.encoded_world()
    for options, epochs, steps in (
        ({"least_steps": 0}, 15, 15),
        ({"least_steps": 40}, 40, 40),
        ({"least_steps": 40, "adversarial_batch": 16}, 15, 45),
        ({"least_steps": 7, "adversarial_batch": 30, "adversarial_epochs": 1}, 4, 8),
    ):
        method = METHODS.load("irad")
        model: Any = method(toy.encoder(), parse_config(method, options))
        seen: list[tuple[int, int]] = []
        data = toy.fit_data(method, world)
        fit = model.fit(data, progress=lambda *done, to=seen: to.append(done))
        assert len(fit.diagnostics.losses["training"]) == epochs
        assert seen == [(step + 1, steps) for step in range(steps)]


def test_one_shot_is_enough() -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    one = replace(world, shots=world.shots.subset(np.array([0])))
    for options in ({"least_steps": 5}, PIXEL):
        assert np.isfinite(toy.fit("irad", one, **options).score(world.test)).all()


def test_the_threshold_rests_on_the_source() -> None:
    world = toy.encoded_world()
    fit = toy.fitting("irad", world, least_steps=5, trees=20)
    reference = fit.out_of_sample
    assert reference.origin == "source"
    assert len(reference.scores) == len(world.source)


def test_only_shared_latents_are_saved() -> None:
    world = toy.encoded_world()
    model = toy.fit("irad", world, least_steps=5)
    state = model.state()
    assert {name.split(".")[0] for name in state} == {"scale", "shared", "forest"}
    assert all(array.dtype != object for array in state.values())


@pytest.mark.parametrize("options", [PIXEL, {"least_steps": 4, "adversarial_epochs": 4}])
def test_an_interrupted_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN_SAVES", 0.0)
    world = toy.encoded_world()
    method = METHODS.load("irad")
    data = toy.fit_data(method, world, parse_config(method, options))
    kept = options | {"checkpoint": str(tmp_path / "kept")}

    def fitted(chosen: dict[str, Any], stop: int | None = None) -> tuple[Any, list[int]]:
        seen: list[int] = []

        def progress(done: int, total: int) -> None:
            del total
            seen.append(done)
            if done == stop:
                raise KeyboardInterrupt

        model = method(toy.encoder(), parse_config(method, chosen))
        return model.fit(data, random_state=3, progress=progress), seen

    whole, steps = fitted(options)
    with pytest.raises(KeyboardInterrupt):
        fitted(kept, stop=steps[-1])
    resumed, rest = fitted(kept)
    assert rest == steps[-1:]
    assert resumed.diagnostics.losses == whole.diagnostics.losses
    one, other = whole.model.state(), resumed.model.state()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    # The folds of the threshold train on other images: they have checkpoints of their own.
    reference = resumed.out_of_sample.scores
    assert len(list((tmp_path / "kept").iterdir())) == 3
    np.testing.assert_array_equal(reference, whole.out_of_sample.scores)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"space": "latent"}, "option space"),
        ({"form": "code"}, "option form"),
        ({"pixel_side": 48}, "option pixel_side"),
        ({"adversarial_batch": 1}, "option adversarial_batch"),
        ({"adversarial_rate": 0}, "option adversarial_rate"),
        ({"accelerator": "tpu"}, "option accelerator"),
    ],
)
def test_impossible_options(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message) as caught:
        parse_config(METHODS.load("irad"), options)
    assert len(str(caught.value).splitlines()) == 1
