"""IRAD: who minimises what, and in which order."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from tests.comparison.irad.cases import DIM, LATENT, same
from torch import Tensor, nn

from twofold.comparison.irad.networks import (
    Networks,
    feature_networks,
)
from twofold.comparison.irad.training import Form, Game, Terms
from twofold.training import local_generator


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
    of_source, of_target = (
        played.networks.latent_discriminator(latents[k]) for k in ("source", "target")
    )
    wanted = sum((judge(image) - 1).square().mean() for image in images)
    wanted = wanted + of_source.square().mean() + (of_target - 1).square().mean()
    torch.testing.assert_close(played.makers_loss(source, images, latents), wanted)
