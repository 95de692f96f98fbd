"""ILDR's networks: a vector from a set, and an autoencoder that it controls."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from tests.support import toy
from torch import nn

from twofold.comparison.ildr.method import Ildr
from twofold.comparison.ildr.network import IldrNetwork, Scorer
from twofold.training import local_generator


def network(dim: int = 6, latent: int = 3) -> IldrNetwork:
    return IldrNetwork(dim, latent, 16, 4, local_generator(0)).eval()


def rows(n: int, d: int = 6, seed: int = 0) -> torch.Tensor:
    return torch.randn(n, d, generator=local_generator(seed))


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
