"""ILDR: what it asks for, that it learns, its score and options."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from tests.support import toy

from twofold.comparison.ildr.method import Ildr
from twofold.errors import CollapseError, ConfigError
from twofold.method_table import METHODS
from twofold.methods import parse_config

# Each fit takes seconds: a comparison system, with the slow tests.
pytestmark = pytest.mark.slow

QUICK: dict[str, Any] = {"latent_epochs": 5}


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return toy.encoded_world(n_source=24, n_pool=8, n_test=12)


@pytest.mark.parametrize(
    ("options", "outputs", "wanted"),
    [
        ({}, ("pooled", "pixels"), {"target_shots"}),
        ({"source_negatives": "none"}, ("pooled",), {"target_shots"}),
        ({"source_negatives": "labelled"}, ("pooled",), {"target_shots", "source_anomalies"}),
        (
            {"source_negatives": "none", "simulated_domains": ("blur",)},
            ("pooled", "pixels"),
            {"target_shots"},
        ),
    ],
)
def test_what_it_asks_for(
    options: dict[str, Any], outputs: tuple[str, ...], wanted: set[str], world: toy.Encoded
) -> None:
    config = parse_config(Ildr, options)
    assert config.outputs() == outputs
    assert config.wanted(Ildr.needs) == wanted
    data = toy.fit_data(Ildr, world, config)
    bare = {name: world.source[name] for name in outputs}
    data = replace(data, source=replace(world.source, arrays=bare))
    model = Ildr(toy.encoder(), parse_config(Ildr, options | QUICK)).fit(data).model
    assert np.isfinite(model.score(world.test)).all()
    if "source_anomalies" in wanted:
        with pytest.raises(ConfigError, match="needs source_anomalies"):
            Ildr(toy.encoder(), config).fit(replace(data, source_anomalies=None))
    else:
        with pytest.raises(ConfigError, match="must not see source_anomalies"):
            Ildr(toy.encoder(), config).fit(replace(data, source_anomalies=world.pool))


@pytest.mark.parametrize("negatives", ["pseudo", "labelled", "none"])
def test_the_loss_falls(negatives: str, world: toy.Encoded) -> None:
    losses = toy.losses("ildr", world, source_negatives=negatives, latent_epochs=60)
    assert np.mean(losses[-10:]) < np.mean(losses[:10]) - 0.1


def test_anomalies_are_pushed_up(world: toy.Encoded) -> None:
    options: dict[str, Any] = {"source_negatives": "labelled", "latent_epochs": 150}
    data = toy.fit_data(Ildr, world, parse_config(Ildr, options))
    assert data.source_anomalies is not None
    gaps = []
    for weight in (0.0, 1.0):
        model = toy.fit("ildr", world, **options, auc_weight=weight)
        known = model._vectors(world.source)
        low = model._scores(world.source, known)
        high = model._scores(data.source_anomalies, known)
        gaps.append(np.mean(high) - np.mean(low))
    assert gaps[1] > gaps[0]


@pytest.mark.parametrize(
    ("options", "steps"),
    [({}, 5), ({"latent_batch": 8}, 15), ({"latent_max_steps": 2}, 2)],
)
def test_the_number_of_steps(options: dict[str, int], steps: int, world: toy.Encoded) -> None:
    told: list[tuple[int, int]] = []
    model = Ildr(toy.encoder(), parse_config(Ildr, QUICK | options))
    fit = model.fit(toy.fit_data(Ildr, world), progress=lambda *a: told.append(a))
    assert fit.diagnostics.steps == steps
    assert told == [(step + 1, steps) for step in range(steps)]


def test_features_are_standardised_by_the_source(world: toy.Encoded) -> None:
    features = world.source["pooled"].astype(np.float64)
    model = toy.fit("ildr", world, **QUICK)
    made = model._standardised(world.source["pooled"]).astype(np.float64)
    np.testing.assert_allclose(made.mean(0), 0, atol=1e-5)
    usual = features.std(0) > 0.1 * features.std(0).mean()
    assert usual.any()
    np.testing.assert_allclose(made.std(0)[usual], 1, atol=1e-5)
    assert (made.std(0) <= 1 + 1e-5).all()


def test_a_feature_silent_in_the_source_does_not_drown_the_others() -> None:
    clouds = toy.clouds()
    quiet = clouds.source["pooled"].copy()
    quiet[:, 0] = 1.0
    source = replace(clouds.source, arrays={"pooled": quiet})
    whole = replace(clouds, source=source, shots=toy.from_arrays(pooled=clouds.pool["pooled"][20:]))
    model = toy.fit("ildr", whole, source_negatives="none", **QUICK)
    deviation = quiet.astype(np.float64).std(0)
    assert model.scale_[0] == pytest.approx(0.1 * deviation.mean(), rel=1e-6)
    assert np.isfinite(model.score(whole.test)).all()


def test_the_vectors_are_samples_of_the_shots_posterior(world: toy.Encoded) -> None:
    model = toy.fit("ildr", world, **QUICK, latent_samples=400)
    assert world.shots is not None
    shots = torch.from_numpy(model._standardised(world.shots["pooled"]))
    with torch.no_grad():
        mean, log_variance = model.network_.infer(shots)
    assert model.vectors_.shape == (400, 8)
    np.testing.assert_allclose(
        model.vectors_, mean.numpy() + model.noise_ * np.exp(log_variance.numpy() / 2), atol=1e-5
    )
    assert abs(model.noise_.mean()) < 0.05
    assert model.noise_.std() == pytest.approx(1, abs=0.05)


def test_other_shots_give_other_scores_without_retraining(world: toy.Encoded) -> None:
    model = toy.fit("ildr", world, train_on_shots=False, latent_epochs=30)
    before = {name: value.clone() for name, value in model.network_.state_dict().items()}
    here = model._scores(world.test, model._vectors(world.pool))
    there = model._scores(world.test, model._vectors(world.source))
    assert not np.allclose(here, there)
    assert all(torch.equal(before[name], v) for name, v in model.network_.state_dict().items())


def test_it_ranks_the_toy_world() -> None:
    for seed in range(2):
        world = toy.encoded_world(seed)
        assert toy.area(toy.fit("ildr", world, seed, latent_epochs=40), world) > 0.9


def test_the_threshold_rests_on_source_images_under_the_sources_vector(
    world: toy.Encoded,
) -> None:
    data = toy.fit_data(Ildr, world)
    fit = Ildr(toy.encoder(), parse_config(Ildr, {"latent_epochs": 60})).fit(data)
    reference = fit.out_of_sample
    assert reference.origin == "source"
    assert reference.scores.shape == (24,)
    under_targets_vector = fit.model.score(world.source)
    assert not np.allclose(reference.scores, under_targets_vector)


@pytest.mark.parametrize("n", [1, 2])
def test_one_shot_is_enough(n: int, world: toy.Encoded) -> None:
    assert world.shots is not None
    few = replace(world, shots=world.shots.subset(np.arange(n)))
    model = toy.fit("ildr", few, **QUICK)
    assert np.isfinite(model.score(world.test)).all()


def test_copies_of_one_image_are_refused(world: toy.Encoded) -> None:
    copies = replace(world, source=world.source.subset(np.zeros(5, dtype=int)))
    with pytest.raises(CollapseError, match="all source images have the same features"):
        toy.fit("ildr", copies, **QUICK)


OTHER: dict[str, Any] = {
    "source_negatives": "none",
    "patch_sides": (100, 200),
    "train_on_shots": False,
    "simulated_domains": ("edges",),
    "vector_dim": 2,
    "hidden_dim": 20,
    "code_dim": 3,
    "auc_weight": 0.0,
    "kl_weight": 5.0,
    "latent_epochs": 9,
    "latent_max_steps": 2,
    "latent_batch": 4,
    "latent_learning_rate": 0.01,
    "set_sizes": (2, 2),
    "latent_samples": 1,
}


@pytest.mark.parametrize("name", Ildr.Config.model_fields)
def test_options_reach_the_result(name: str, world: toy.Encoded) -> None:
    usual = toy.fit("ildr", world, **QUICK).score(world.test)
    scores = toy.fit("ildr", world, **QUICK | {name: OTHER[name]}).score(world.test)
    assert np.isfinite(scores).all()
    assert not np.allclose(scores, usual)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("source_negatives", "false"),
        ("patch_sides", (20, 10)),
        ("set_sizes", (0, 4)),
        ("set_sizes", (8, 4)),
        ("simulated_domains", ("grey", "grey")),
        ("simulated_domains", ("fog",)),
        ("vector_dim", 0),
        ("latent_epochs", 0),
        ("latent_samples", 0),
        ("auc_weight", -1),
        ("kl_weight", -0.1),
    ],
)
def test_impossible_options(name: str, value: Any) -> None:
    with pytest.raises(ConfigError, match=f"option {name}") as caught:
        parse_config(METHODS.load("ildr"), {name: value})
    assert len(str(caught.value).splitlines()) == 1
