"""TSA's batches, its memories, and the loss of a step."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch import nn

from twofold.comparison.tsa.training import Labelled, TsaNetwork, TsaObjective
from twofold.losses import augmented_cross_entropy, mutual_information
from twofold.training import Step, TrainingConfig, local_generator


def test_batches_are_half_normal() -> None:
    part = Labelled(np.zeros((9, 1), np.float32), np.ones((2, 1), np.float32), dim=3)
    for size, normals in ((8, 4), (7, 4), (2, 1)):
        index = part.draw(size, local_generator(0))
        assert part.rows(index)[:, 0].tolist() == [0.0] * normals + [1.0] * (size - normals)
        assert part.labels[torch.from_numpy(index)].tolist() == [0] * normals + [1] * (
            size - normals
        )


def objective(**changes: Any) -> tuple[TsaNetwork, TsaObjective, Labelled, Labelled]:
    config = TrainingConfig(
        trainable="head", head="projection", head_dim=6, batch_norm="joint", max_steps=3
    )
    network = TsaNetwork(toy.encoder(), config, local_generator(0))
    draws = np.random.default_rng(0)

    def rows(n: int, at: float) -> NDArray[np.float32]:
        return draws.normal(at, 1, (n, toy.DIM)).astype(np.float32)

    source, target = (Labelled(rows(n, at), rows(n, -at), dim=6) for n, at in ((20, 1), (5, 2)))
    given: dict[str, Any] = {
        "batch": 8,
        "strength": 0.5,
        "mi_weight": 0.1,
        "shrinkage": 0.1,
        "pseudo_labels": False,
    }
    made = TsaObjective(source, target, **(given | changes), generator=local_generator(1))
    return network, made, source, target


def test_every_image_is_remembered_before_the_first_step() -> None:
    network, made, source, target = objective()
    made.fill(network)
    everything = torch.from_numpy(
        np.concatenate([part.rows(np.arange(len(part))) for part in (source, target)])
    )
    # 50 rows make one batch: its statistics are those of all.
    order = torch.randperm(50, generator=local_generator(3))
    with torch.no_grad():
        expected = network(everything[order])[order.argsort()]
    torch.testing.assert_close(torch.cat([source.memory, target.memory]), expected)


def test_a_step_refreshes_the_images_it_drew_and_no_others() -> None:
    network, made, source, target = objective()
    made.fill(network)
    for part in (source, target):
        part.memory += 100.0
    made(network, Step(1, 2, starts_epoch=False))
    for part, drawn in ((source, 8), (target, 8)):
        fresh = (part.memory < 50).all(dim=1)
        assert int(fresh.sum()) == drawn
        assert not part.memory.requires_grad


def test_the_loss_of_a_step_is_the_augmented_cross_entropy_less_mutual_information() -> None:
    network, made, source, target = objective(strength=0.8, batch=6)
    made.fill(network)
    found = made(network, Step(3, 4, starts_epoch=False))
    # What it drew: fill drew once for its order.
    generator = local_generator(1)
    torch.randperm(50, generator=generator)
    own, other = source.draw(6, generator), target.draw(6, generator)
    near, far = source.memory[torch.from_numpy(own)], target.memory[torch.from_numpy(other)]
    shifts, covariances = [], []
    for c in (0, 1):
        ours, theirs = source.memory[source.labels == c], target.memory[target.labels == c]
        shifts.append(theirs.mean(0) - ours.mean(0))
        spread = torch.cov(theirs.T, correction=0)
        covariances.append(0.9 * spread + 0.1 * spread.trace() / 6 * torch.eye(6))
    expected = augmented_cross_entropy(
        near,
        source.labels[torch.from_numpy(own)],
        network.head.weight,
        network.head.bias,
        shifts=torch.stack(shifts),
        covariances=torch.stack(covariances),
        strength=0.8 * 0.75,
    ) - 0.1 * mutual_information(network.head(far))
    torch.testing.assert_close(found, expected)


def test_pseudo_labels_are_what_the_classifier_says() -> None:
    network, made, _, target = objective(pseudo_labels=True)
    nn.init.zeros_(network.head.weight)
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([0.0, 1.0]))
    made.fill(network)
    assert target.labels.tolist() == [1] * 10
    with torch.no_grad():
        network.head.bias.copy_(torch.tensor([1.0, 0.0]))
    loss = made(network, Step(1, 2, starts_epoch=False))
    assert int((target.labels == 0).sum()) == 8
    assert torch.isfinite(loss)
    _, known, _, target = objective()
    known.fill(network)
    known(network, Step(1, 2, starts_epoch=False))
    assert target.labels.tolist() == [0] * 5 + [1] * 5
