"""An autoencoder controlled by a vector inferred from a domain's normals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch import nn

from twofold.augmentation import restyle
from twofold.encoders.pixels import encode_pixels
from twofold.errors import CollapseError, ConfigError
from twofold.losses import ildr_loss
from twofold.methods import METHODS, parse_config
from twofold.methods._few_shot import pseudo_anomalies
from twofold.methods._ildr_domains import Domain, IldrObjective, Maker
from twofold.methods._ildr_network import IldrNetwork, Scorer
from twofold.methods.ildr import Ildr
from twofold.training import Step, local_generator

QUICK: dict[str, Any] = {"latent_epochs": 5}
STEP = Step(0, 1, True)
Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return toy.encoded_world(n_source=24, n_pool=8, n_test=12)


def network(dim: int = 6, latent: int = 3) -> IldrNetwork:
    return IldrNetwork(dim, latent, 16, 4, local_generator(0)).eval()


def rows(n: int, d: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=local_generator(seed))


def domains_of(world: toy.Encoded, **options: Any) -> list[Domain]:
    config = parse_config(Ildr, options)
    model = Ildr(toy.encoder(), config)
    return model._domains(toy.fit_data(Ildr, world, config), 0)


# --- the networks ---------------------------------------------------------------------------------


def test_a_domains_vector_does_not_depend_on_order_or_copies() -> None:
    net, images = network(), rows(7)
    mean, log_variance = net.infer(images)
    assert mean.shape == log_variance.shape == (3,)
    for same in (images.flip(0), torch.cat([images, images])):
        again = net.infer(same)
        torch.testing.assert_close(again[0], mean)
        torch.testing.assert_close(again[1], log_variance)
    other = net.infer(images + 1)
    assert not torch.allclose(other[0], mean)
    assert not torch.allclose(other[1], log_variance)


def test_the_score_is_the_formula() -> None:
    net, images, z = network(), rows(5), rows(1, 3)[0]
    for x, score in zip(images, net.score(images, z), strict=True):
        code = net.encoder(torch.cat([x, z]))
        rebuilt = net.decoder(torch.cat([code, z]))
        assert score.item() == pytest.approx(((x - rebuilt) ** 2).sum().item() / 6)


def test_the_vector_controls_both_halves() -> None:
    net, images = network(), rows(5)
    here, there = rows(1, 3)[0], rows(1, 3, seed=1)[0]
    assert not torch.allclose(net.score(images, here), net.score(images, there))
    for half in ("encoder", "decoder"):
        deaf = network()
        weights: Any = dict(deaf.named_parameters())[f"{half}.0.weight"]
        with torch.no_grad():
            weights[:, -3:] = 0
        assert not torch.allclose(deaf.score(images, here), net.score(images, here))


def test_a_pass_samples_the_vector() -> None:
    net, normal, odd, known = network(), rows(5), rows(3, seed=1), rows(4, seed=2)
    noise = rows(1, 3, seed=3)[0]
    low, high, mean, log_variance = net(normal, odd, known, noise)
    z = mean + noise * torch.exp(log_variance / 2)
    torch.testing.assert_close(low, net.score(normal, z))
    torch.testing.assert_close(high, net.score(odd, z))
    assert net(normal, odd[:0], known, noise)[1].shape == (0,)


def test_the_test_score_is_a_mean_over_vectors() -> None:
    net, images, vectors = network(), rows(5), rows(10, 3)
    made = Scorer(net, vectors)(images)
    assert made.shape == (5, 1)
    expected = torch.stack([net.score(images, z) for z in vectors]).mean(0)
    torch.testing.assert_close(made[:, 0], expected)


def test_a_wild_variance_stays_finite() -> None:
    net = network()
    bias: Any = dict(net.named_parameters())["summary.2.bias"]
    with torch.no_grad():
        bias[3:] = 1e6
    mean, log_variance = net.infer(rows(4))
    assert torch.isfinite(net.score(rows(5), mean + log_variance.exp())).all()


def test_the_first_weights_are_the_generators() -> None:
    before = torch.get_rng_state()
    one, two = network().state_dict(), network().state_dict()
    assert torch.equal(before, torch.get_rng_state())
    assert all(torch.equal(one[name], two[name]) for name in one)


def test_the_default_sizes() -> None:
    model = Ildr(toy.encoder())
    net = model._network()
    layers = [(m.in_features, m.out_features) for m in net.modules() if isinstance(m, nn.Linear)]
    d = toy.DIM
    assert layers == [(d, 128), (128, 128), (128, 16), (d + 8, 128), (128, 32), (40, 128), (128, d)]


# --- the domains ----------------------------------------------------------------------------------


def test_source_and_target_with_pseudo_anomalies_of_each(world: toy.Encoded) -> None:
    source, target = domains_of(world)
    assert world.shots is not None
    for domain, images in ((source, world.source), (target, world.shots)):
        assert np.array_equal(domain.normal, images["pooled"])
        shuffled = pseudo_anomalies(images["pixels"][:], (16, 72), np.random.default_rng(0))
        expected = encode_pixels(toy.encoder(), shuffled, "pooled")
        np.testing.assert_allclose(domain.anomalous, expected, atol=1e-5)


def test_labelled_anomalies_are_the_sources_alone(world: toy.Encoded) -> None:
    source, target = domains_of(world, source_negatives="labelled")
    assert len(source.anomalous) == 12
    assert len(target.normal) == toy.N_SHOTS
    assert len(target.anomalous) == 0


def test_without_negatives_and_without_training_on_the_shots(world: toy.Encoded) -> None:
    (source,) = domains_of(world, source_negatives="none", train_on_shots=False)
    assert len(source.normal) == 24
    assert len(source.anomalous) == 0


@pytest.mark.parametrize("negatives", ["pseudo", "labelled", "none"])
def test_simulated_domains(negatives: str, world: toy.Encoded) -> None:
    found = domains_of(world, source_negatives=negatives, simulated_domains=("grey", "jitter"))
    assert len(found) == 4
    images = world.source["pixels"][:].astype(np.uint8)
    for domain, style in zip(found[1:3], ("grey", "jitter"), strict=True):
        # One look for the whole domain: the same random numbers for each image.
        styled = np.stack(
            [restyle(i, style, np.random.default_rng(0)) for i in images]  # type: ignore[arg-type]
        )
        expected = encode_pixels(toy.encoder(), styled, "pooled")
        np.testing.assert_allclose(domain.normal, expected, atol=1e-5)
        assert len(domain.anomalous) == {"pseudo": 24, "labelled": 12, "none": 0}[negatives]
        if negatives != "none":
            assert not np.allclose(domain.anomalous[:12], found[0].anomalous[:12])


def test_many_images_are_made_a_portion_at_a_time(
    world: toy.Encoded, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = Maker(toy.encoder(), 0, (16, 72)).pseudo(world.source["pixels"])
    monkeypatch.setattr("twofold.methods._pixels._PORTION", 5)
    parts = Maker(toy.encoder(), 0, (16, 72)).pseudo(world.source["pixels"])
    np.testing.assert_allclose(parts, whole, atol=1e-5)


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
    assert Ildr.outputs(config) == outputs
    assert Ildr.wanted(config) == wanted
    data = toy.fit_data(Ildr, world, config)
    bare = {name: world.source[name] for name in outputs}
    data = replace(data, source=replace(world.source, arrays=bare))
    model = Ildr(toy.encoder(), parse_config(Ildr, options | QUICK)).fit(data)
    assert np.isfinite(model.score(world.test)).all()
    if "source_anomalies" in wanted:
        with pytest.raises(ConfigError, match="needs source_anomalies"):
            Ildr(toy.encoder(), config).fit(replace(data, source_anomalies=None))
    else:
        with pytest.raises(ConfigError, match="must not see source_anomalies"):
            Ildr(toy.encoder(), config).fit(replace(data, source_anomalies=world.pool))


# --- the training ---------------------------------------------------------------------------------


class Seen(nn.Module):
    """Notes what it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(()))
        self.calls: list[tuple[torch.Tensor, ...]] = []

    def forward(self, *parts: torch.Tensor) -> tuple[torch.Tensor, ...]:
        self.calls.append(parts)
        normal, anomalous, _, noise = parts
        return self.weight * normal[:, 0], anomalous[:, 0], 0.3 * noise, 0.1 * noise


def objective(domains: list[Domain], **options: Any) -> IldrObjective:
    given: dict[str, Any] = {"latent": 3, "batch": 8, "set_sizes": (4, 16), "weights": (1.0, 0.1)}
    return IldrObjective(domains, **given | options, generator=local_generator(0))


def numbered(n: int, m: int, offset: float = 0) -> Domain:
    def column(k: int, start: float) -> Rows:
        return np.arange(start, start + k, dtype=np.float32)[:, None]

    return Domain(column(n, offset), column(m, offset + 500))


def test_a_step_sums_the_domains() -> None:
    module = Seen()
    loss = objective([numbered(30, 9), numbered(5, 0, 1000)], weights=(0.7, 0.3))(module, STEP)
    assert len(module.calls) == 2
    expected = torch.zeros(())
    for normal, anomalous, _, noise in module.calls:
        expected = expected + ildr_loss(
            normal[:, 0],
            anomalous[:, 0],
            0.3 * noise,
            0.1 * noise,
            auc_weight=0.7,
            kl_weight=0.3,
        )
    torch.testing.assert_close(loss, expected)


def test_what_a_step_draws() -> None:
    module = Seen()
    step = objective([numbered(30, 9), numbered(3, 2, 1000)])
    for _ in range(200):
        step(module, STEP)
    near, far = module.calls[::2], module.calls[1::2]
    assert {len(known) for _, _, known, _ in near} == set(range(4, 17))
    # Fewer than the least: all of them.
    assert {len(known) for _, _, known, _ in far} == {3}
    assert {(len(a), len(b)) for a, b, _, _ in near} == {(8, 8)}
    assert {(len(a), len(b)) for a, b, _, _ in far} == {(3, 2)}
    for normal, anomalous, known, noise in near:
        for part in (normal, anomalous, known):
            assert len(set(part.flatten().tolist())) == len(part)
        assert normal.max() < 30
        assert known.max() < 30
        assert anomalous.min() >= 500
        assert noise.shape == (3,)
    noises = torch.stack([noise for *_, noise in near])
    assert noises.std().item() == pytest.approx(1, abs=0.15)


@pytest.mark.parametrize("negatives", ["pseudo", "labelled", "none"])
def test_the_loss_falls(negatives: str, world: toy.Encoded) -> None:
    losses = toy.fit("ildr", world, source_negatives=negatives, latent_epochs=60).log_.losses
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
    model.fit(toy.fit_data(Ildr, world), progress=lambda *a: told.append(a))
    assert model.log_.steps == steps
    assert told == [(step + 1, steps) for step in range(steps)]


# --- the score ------------------------------------------------------------------------------------


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
    model = Ildr(toy.encoder(), parse_config(Ildr, {"latent_epochs": 60})).fit(data)
    reference = model.reference(data)
    assert reference.origin == "source"
    assert reference.scores.shape == (24,)
    under_targets_vector = model.score(world.source)
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


# --- options --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "options",
    [
        {"patch_sides": (100, 200)},
        {"train_on_shots": False},
        {"simulated_domains": ("edges",)},
        {"vector_dim": 2},
        {"hidden_dim": 20},
        {"code_dim": 3},
        {"auc_weight": 0.0},
        {"kl_weight": 5.0},
        {"latent_batch": 4},
        {"latent_learning_rate": 0.01},
        {"set_sizes": (2, 2)},
        {"latent_samples": 1},
    ],
)
def test_options_reach_the_result(options: dict[str, Any], world: toy.Encoded) -> None:
    usual = toy.fit("ildr", world, **QUICK).score(world.test)
    scores = toy.fit("ildr", world, **QUICK | options).score(world.test)
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
