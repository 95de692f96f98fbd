"""ILDR's domains, known, made or simulated, and what a step draws of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch import nn

from twofold.augmentation import pseudo_anomalies, restyle
from twofold.comparison.ildr.domains import Domain, IldrObjective, Maker
from twofold.comparison.ildr.method import Ildr
from twofold.comparison.ildr.network import IldrNetwork
from twofold.encoders.pixels import encode_pixels
from twofold.losses import ildr_loss
from twofold.methods import parse_config
from twofold.training import Step, local_generator

STEP = Step(0, 1, True)
Rows = NDArray[np.float32]


@pytest.fixture(scope="module")
def world() -> toy.Encoded:
    return toy.encoded_world(n_source=24, n_pool=8, n_test=12)


def domains_of(world: toy.Encoded, **options: Any) -> list[Domain]:
    config = parse_config(Ildr, options)
    model = Ildr(toy.encoder(), config)
    return model._domains(toy.fit_data(Ildr, world, config), 0)


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
    monkeypatch.setattr("twofold.comparison.pixels.PORTION", 5)
    parts = Maker(toy.encoder(), 0, (16, 72)).pseudo(world.source["pixels"])
    np.testing.assert_allclose(parts, whole, atol=1e-5)


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


def test_a_step_reaches_every_weight() -> None:
    """The vector's networks too: its sample is a function of mean and variance."""
    rows = np.random.default_rng(0).normal(size=(40, 6)).astype(np.float32)
    module = IldrNetwork(6, 3, 16, 4, local_generator(0))
    step = objective([Domain(rows[:20], rows[20:30] + 2)], weights=(1.0, 0.0))
    torch.autograd.backward(step(module, STEP))
    for name, parameter in module.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.abs().sum() > 0, name
