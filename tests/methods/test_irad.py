"""IRAD: who minimises what, the networks, the forest on shared latents."""

from __future__ import annotations

import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tests.methods.contract import CHECKS
from tests.support import toy
from torch import Tensor, nn

from twofold.errors import ConfigError
from twofold.layers import Dropout
from twofold.methods import METHODS, _checkpoint, irad, parse_config
from twofold.methods._irad_networks import (
    Networks,
    feature_networks,
    pixel_encoder,
    pixel_networks,
)
from twofold.methods._irad_training import Form, Game, Terms
from twofold.methods.irad import Irad, IradConfig
from twofold.training import forward_all, local_generator

PIXEL: dict[str, Any] = {"space": "pixel", "ngf": 4, "latent_dim": 8, "least_steps": 3}
PIXEL |= {"adversarial_epochs": 2, "trees": 20}
DIM, LATENT = 6, 4


class PixelConfig(IradConfig):
    """Small networks on pixels as the default, for the contract."""

    space: Any = "pixel"
    ngf: int = 2
    latent_dim: int = 8
    trees: int = 20


class PixelIrad(Irad):
    Config = PixelConfig


@pytest.mark.parametrize(
    "check", ["declaration", "random_state", "refit", "state", "inputs", "rows", "empty"]
)
def test_the_contract_on_pixels(check: str) -> None:
    CHECKS[check](PixelIrad)


# ---- who minimises what


def game(form: Form = "release", kind: Any = "bce", cycle: float = 1.0) -> Game:
    networks = feature_networks(DIM, LATENT, 5, local_generator(0), local_generator(1))
    for network in networks.named().values():
        network.eval()  # Nothing is dropped: every pass of a network gives the same.
    return Game(networks, Terms(form, kind, cycle, 0.5), 1e-2)


def batch(seed: int = 0, n: int = 7) -> tuple[Tensor, Tensor, Tensor]:
    generator = local_generator(seed)
    return (
        torch.randn(n, DIM, generator=generator),
        torch.randn(n, DIM, generator=generator) + 1,
        torch.randn(n, LATENT, generator=generator),
    )


def log_loss(logits: Tensor, real: bool) -> Tensor:
    chance = torch.sigmoid(logits)
    return -torch.log(chance if real else 1 - chance).mean()


class Written:
    """Every loss as the specification writes it, each network's sum by itself."""

    def __init__(self, nets: Networks, source: Tensor, target: Tensor, noise: Tensor) -> None:
        self.nets, self.source = nets, source
        self.near, self.far = nets.shared(source), nets.shared(target)
        private = nets.private(source)
        self.images = [
            nets.generator(private + self.near),
            nets.generator(private + self.far),
            nets.generator(noise + self.near),
        ]

    def fool(self, which: int) -> Tensor:
        return log_loss(self.nets.discriminator(self.images[which]), True)

    def cycle(self) -> Tensor:
        first, second = (((self.source - image) ** 2).mean() for image in self.images[:2])
        total: Tensor = first + second
        return total

    def flip(self) -> Tensor:
        judge = self.nets.latent_discriminator
        return log_loss(judge(self.near), False) + log_loss(judge(self.far), True)

    def discriminator(self) -> Tensor:
        judge = self.nets.discriminator
        fakes = [log_loss(judge(image.detach()), False) for image in self.images]
        return log_loss(judge(self.source), True) + fakes[0] + fakes[1] + fakes[2]

    def latent_discriminator(self) -> Tensor:
        judge = self.nets.latent_discriminator
        return log_loss(judge(self.near.detach()), True) + log_loss(judge(self.far.detach()), False)

    def private(self) -> Tensor:
        return self.fool(0) + self.fool(1) + self.cycle()

    def generator(self) -> Tensor:
        return self.fool(0) + self.fool(1) + self.fool(2) + self.cycle()

    def shared(self) -> Tensor:
        return self.generator() + self.flip()


def adam_step(network: nn.Module, loss: Tensor) -> None:
    parameters = list(network.parameters())
    gradients = torch.autograd.grad(loss, parameters, retain_graph=True)
    for parameter, gradient in zip(parameters, gradients, strict=True):
        parameter.grad = gradient
    torch.optim.Adam(parameters, 1e-2, betas=(0.5, 0.999)).step()


def test_each_network_minimises_its_own_terms_in_two_rounds() -> None:
    """Discriminators first, on detached inputs; the others against the discriminators as moved."""
    played = game()
    by_hand = copy.deepcopy(played.networks)
    loss = played.step(*batch())
    first = Written(by_hand, *batch())
    adam_step(by_hand.discriminator, first.discriminator())
    adam_step(by_hand.latent_discriminator, first.latent_discriminator())
    second = Written(by_hand, *batch())
    wanted = {name: getattr(second, name)() for name in ("shared", "private", "generator")}
    gradients = {
        name: torch.autograd.grad(
            value, list(by_hand.named()[name].parameters()), retain_graph=True
        )
        for name, value in wanted.items()
    }
    for name, found in gradients.items():
        parameters = list(by_hand.named()[name].parameters())
        for parameter, gradient in zip(parameters, found, strict=True):
            parameter.grad = gradient
        torch.optim.Adam(parameters, 1e-2, betas=(0.5, 0.999)).step()
    assert loss == pytest.approx(float(wanted["shared"].detach()), rel=1e-5)
    for name, network in played.networks.named().items():
        pairs = zip(network.parameters(), by_hand.named()[name].parameters(), strict=True)
        for mine, theirs in pairs:
            torch.testing.assert_close(mine, theirs, rtol=1e-4, atol=1e-6)


def test_private_latents_never_meet_noise() -> None:
    played = game()
    source, target, noise = batch()
    latents = played._latents(source, target)
    images = played._images(latents, noise)
    private = list(played.networks.private.parameters())
    for image, meets in zip(images, (True, True, False), strict=True):
        gradients = torch.autograd.grad(image.sum(), private, retain_graph=True, allow_unused=True)
        assert all((gradient is not None) == meets for gradient in gradients)


def test_the_published_form() -> None:
    """No D_z; l_dis and l_sim weigh beta, distances are not squared."""
    played = game("published", cycle=2.0)
    assert set(played.optimisers) == {"shared", "private", "generator", "discriminator"}
    source, target, noise = batch()
    latents = played._latents(source, target)
    loss = played.makers_loss(source, played._images(latents, noise), latents)
    written = Written(played.networks, source, target, noise)

    def unit(rows: Tensor) -> Tensor:
        return rows / rows.square().sum(dim=1, keepdim=True).sqrt()

    private = played.networks.private(source)
    dissimilar = (unit(written.near) @ unit(private).T).square().sum().sqrt()
    similar = -(unit(written.near) @ unit(written.far).T).square().sum().sqrt()
    cycle = sum((source - image).norm(dim=1).mean() for image in written.images[:2])
    fooling = written.fool(0) + written.fool(1) + written.fool(2)
    wanted = fooling + 2.0 * cycle + 0.5 * (dissimilar + similar)
    torch.testing.assert_close(loss, wanted)
    before = copy.deepcopy(played.networks.latent_discriminator)
    played.step(source, target, noise)
    assert same(before, played.networks.latent_discriminator)


def test_least_squares_reach_every_answer() -> None:
    played = game(kind="lsgan", cycle=0.0)
    source, target, noise = batch()
    latents = played._latents(source, target)
    images = played._images(latents, noise)
    judge = played.networks.discriminator
    wanted = (judge(source) - 1).square().mean()
    wanted = wanted + sum(judge(image).square().mean() for image in images)
    torch.testing.assert_close(played.discriminator_loss(source, images), wanted)
    near, far = (played.networks.latent_discriminator(latents[k]) for k in ("near", "far"))
    wanted = sum((judge(image) - 1).square().mean() for image in images)
    wanted = wanted + near.square().mean() + (far - 1).square().mean()
    torch.testing.assert_close(played.makers_loss(source, images, latents), wanted)


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)


# ---- networks


def names(network: nn.Module) -> list[str]:
    return [type(layer).__name__ for layer in network.modules() if not list(layer.children())]


@pytest.mark.parametrize(
    ("side", "inner"), [(32, [32, 64, 128, 256]), (64, [32, 64, 128, 256, 512])]
)
def test_networks_on_pixels(side: int, inner: list[int]) -> None:
    nets = pixel_networks(side, 64, 32, local_generator(0), local_generator(1))
    images = torch.zeros(2, 3, side, side)
    latents = torch.zeros(2, 64)
    for encoder in (nets.shared, nets.private):
        assert encoder(images).shape == (2, 64)
        convolutions = [layer for layer in encoder.modules() if isinstance(layer, nn.Conv2d)]
        assert [layer.out_channels for layer in convolutions] == [*inner, 64]
        for layer in convolutions:
            assert (layer.kernel_size, layer.stride, layer.padding) == ((4, 4), (2, 2), (1, 1))
        block = ["Conv2d", "BatchNorm2d", "ReLU"]
        assert names(encoder) == [*block * len(inner), "Conv2d", "Flatten"]
    made = nets.generator(latents)
    assert made.shape == images.shape
    assert names(nets.generator)[-2:] == ["ConvTranspose2d", "Tanh"]
    up = [layer for layer in nets.generator.modules() if isinstance(layer, nn.ConvTranspose2d)]
    assert [layer.out_channels for layer in up] == [*inner[:0:-1], 3]
    assert [layer.stride for layer in up] == [(1, 1), *[(2, 2)] * (len(up) - 1)]
    judge = nets.discriminator
    down = [layer for layer in judge.modules() if isinstance(layer, nn.Conv2d)]
    assert [layer.out_channels for layer in down] == [32] * (len(inner) - 2)
    widths = [layer.weight.shape for layer in judge.modules() if isinstance(layer, nn.Linear)]
    assert widths == [(128, 32 * 8 * 8), (1, 128)]
    assert judge(images).shape == nets.latent_discriminator(latents).shape == (2, 1)


@pytest.mark.parametrize("kind", ["discriminator", "latent_discriminator"])
def test_both_discriminators_end_alike(kind: str) -> None:
    nets = feature_networks(DIM, LATENT, 5, local_generator(0), local_generator(1))
    network = nets.named()[kind]
    assert names(network) == ["Linear", "LeakyReLU", "Dropout", "Linear"]
    (slope,) = (m.negative_slope for m in network.modules() if isinstance(m, nn.LeakyReLU))
    (share,) = (m.share for m in network.modules() if isinstance(m, Dropout))
    assert (slope, share) == (0.2, 0.5)


def test_networks_on_features() -> None:
    nets = feature_networks(DIM, LATENT, 5, local_generator(0), local_generator(1))
    assert names(nets.shared) == names(nets.private) == ["Linear"]
    assert names(nets.generator) == ["Linear", "ReLU", "Linear"]
    assert not same(nets.shared, nets.private)


# ---- the method


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
        model = toy.fit("irad", world, seed, least_steps=150, adversarial_rate=1e-3, **options)
        assert model.losses_[-1] < model.losses_[0]
        areas.append(toy.area(model, world))
    # l_sim turns all shared latents one way, and what told images apart goes with the rest.
    assert np.mean(areas) > (0.6 if "form" in options else 0.75)


def test_options_change_the_result() -> None:
    world = toy.encoded_world()
    base = {"least_steps": 16, "adversarial_epochs": 5, "trees": 20}
    variants: list[dict[str, Any]] = [
        {},
        {"form": "published"},
        {"form": "published", "latent_weight": 50.0},
        {"adversarial_loss": "lsgan"},
        {"cycle_weight": 30.0},
        {"latent_dim": 32},
        {"adversarial_epochs": 17},
        {"adversarial_batch": 20},
        {"adversarial_rate": 1e-3},
        {"generator_width": 100},
        {"trees": 40},
        {"space": "pixel", "ngf": 2, "least_steps": 2},
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
        model.fit(toy.fit_data(method, world), progress=lambda *done, to=seen: to.append(done))
        assert len(model.losses_) == epochs
        assert seen == [(step + 1, steps) for step in range(steps)]


def test_one_shot_is_enough() -> None:
    world = toy.encoded_world()
    assert world.shots is not None
    one = replace(world, shots=world.shots.subset(np.array([0])))
    for options in ({"least_steps": 5}, PIXEL):
        assert np.isfinite(toy.fit("irad", one, **options).score(world.test)).all()


def test_the_threshold_rests_on_the_source() -> None:
    world = toy.encoded_world()
    model = toy.fit("irad", world, least_steps=5, trees=20)
    reference = model.reference(toy.fit_data(METHODS.load("irad"), world))
    assert reference.origin == "source"
    assert len(reference.scores) == len(world.source)


def test_only_shared_latents_are_saved() -> None:
    world = toy.encoded_world()
    model = toy.fit("irad", world, least_steps=5)
    state = model.state()
    assert {name.split(".")[0] for name in state} == {"scale", "shared", "forest"}
    assert all(array.dtype != object for array in state.values())


# ---- pixels


def test_it_reads_pixels_only_on_pixels() -> None:
    assert Irad.outputs(IradConfig()) == Irad.shot_outputs(IradConfig()) == ("pooled",)
    pixel = IradConfig(space="pixel")
    assert Irad.outputs(pixel) == Irad.shot_outputs(pixel) == ("pixels",)


def test_reconstructions() -> None:
    world = toy.encoded_world()
    options = PIXEL | {"least_steps": 40, "adversarial_rate": 1e-2, "cycle_weight": 100.0}
    model = toy.fit("irad", world, **options)
    source, target = (
        images["pixels"][:6].astype(np.uint8) for images in (world.source, world.pool)
    )
    own, crossed = irad.reconstruct(model.networks_, source, target)
    assert own.shape == crossed.shape == source.shape
    assert own.dtype == crossed.dtype == np.uint8
    assert not np.array_equal(own, crossed)
    blank = np.abs(source.astype(float) - 128).mean()
    assert np.abs(source.astype(float) - own).mean() < blank
    score = model.score(world.test)
    again, _ = irad.reconstruct(model.networks_, source, target)
    np.testing.assert_array_equal(again, own)
    np.testing.assert_array_equal(model.score(world.test), score)


@pytest.mark.parametrize("options", [PIXEL, {"least_steps": 4, "adversarial_epochs": 4}])
def test_an_interrupted_training_goes_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: dict[str, Any]
) -> None:
    monkeypatch.setattr(_checkpoint, "_SECONDS_BETWEEN_SAVES", 0.0)
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
    assert resumed.losses_ == whole.losses_
    one, other = whole.state(), resumed.state()
    assert all(one[name].tobytes() == other[name].tobytes() for name in one)
    # The folds of the threshold train on other images: they have checkpoints of their own.
    reference = resumed.reference(data).scores
    assert len(list((tmp_path / "kept").iterdir())) == 3
    np.testing.assert_array_equal(reference, whole.reference(data).scores)


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


def test_an_encoder_to_be_loaded_into_draws_nothing() -> None:
    before = torch.get_rng_state()
    pixel_encoder(32, 8, 4)
    assert torch.equal(before, torch.get_rng_state())
