"""Eq. 10 on batches: its value, its centre, and what normalisation layers see."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch import Tensor, nn

from twofold import losses
from twofold.losses import contrastive_alignment, infonce_alignment, mmd_alignment
from twofold.paper import objective
from twofold.paper.network import AdaptedNetwork
from twofold.training import forward_all

SPLIT = "split:last_stage"


def source_features(model: Any, world: toy.Encoded) -> NDArray[np.float64]:
    return forward_all(model.network_, world.source[SPLIT])


def frozen_mean(world: toy.Encoded) -> NDArray[np.float64]:
    network = AdaptedNetwork(toy.encoder(), toy.printed_fit("source_only", world).config.training)
    return np.asarray(forward_all(network, world.source[SPLIT]).mean(axis=0))


def norms(module: nn.Module) -> list[nn.BatchNorm2d]:
    return [child for child in module.modules() if isinstance(child, nn.BatchNorm2d)]


# --- the value ------------------------------------------------------------------------------------


@pytest.mark.parametrize("centred", [False, True])
@pytest.mark.parametrize("alignment", ["contrastive", "infonce", "mmd"])
@pytest.mark.parametrize(("ad", "uda"), [(1.0, 0.1), (0.0, 2.0), (3.0, 0.0)])
def test_the_first_loss_is_equation_10(
    alignment: str, ad: float, uda: float, centred: bool
) -> None:
    """One step on everything at once, before anything has moved."""
    world = toy.clouds()
    anomalous = torch.from_numpy(world.pool_labels == 1)
    fit = toy.printed_fitting(
        "oracle",
        world,
        lambda_ad=ad,
        lambda_uda=uda,
        alignment=alignment,
        center_before_cosine=centred,
        batch_dominant=int((~anomalous).sum()),
        batch_others=int(anomalous.sum()),
        training={"trainable": "head", "max_steps": 1, "batch_source": len(world.source)},
    )
    source, pool = (torch.from_numpy(part["pooled"]) for part in (world.source, world.pool))
    shift = source.mean(dim=0) if centred else 0.0
    parts = source - shift, pool[~anomalous] - shift, pool[anomalous] - shift
    terms: dict[str, Tensor] = {
        "contrastive": contrastive_alignment(*parts),
        "infonce": infonce_alignment(*parts),
        "mmd": mmd_alignment(*parts[:2]),
    }
    # Compactness is divided by its value before training, so it starts at 1.
    expected = ad * 1.0 + uda * float(terms[alignment])
    assert fit.diagnostics.losses["training"][0] == pytest.approx(expected, rel=1e-4, abs=1e-4)


def test_negatives_and_their_weights_keep_together(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each drawn negative comes with the weight of its row."""
    world = toy.clouds()
    rows = {world.pool["pooled"][row].tobytes(): row for row in range(len(world.pool))}
    draws: list[tuple[list[int], Tensor]] = []
    draw_batch = objective.Objective._draw_batch

    def recorded(self: Any) -> Any:
        parts, weights = draw_batch(self)
        assert weights is not None
        draws.append(([rows[row.tobytes()] for row in parts[2]], weights))
        return parts, weights

    monkeypatch.setattr(objective.Objective, "_draw_batch", recorded)
    options: dict[str, Any] = {"trainable": "head", "epochs": 3}
    fit = toy.printed_fitting("paper", world, weigh_negatives=True, training=options)
    weight_of = dict(
        zip(fit.diagnostics.partition.others, fit.diagnostics.partition.weights, strict=True)
    )
    assert len(draws) == 3
    for drawn, weights in draws:
        assert weights.tolist() == [weight_of[row] for row in drawn]


# --- the centre -----------------------------------------------------------------------------------


def test_a_fixed_centre_is_the_mean_before_training() -> None:
    world = toy.encoded_world()
    model = toy.printed_fit("paper", world)
    np.testing.assert_allclose(model.center_, frozen_mean(world), atol=1e-5)
    assert np.abs(model.center_ - source_features(model, world).mean(axis=0)).max() > 1e-3


@pytest.mark.parametrize("policy", ["epoch", "batch"])
def test_a_centre_that_follows_ends_at_the_mean_after_training(policy: str) -> None:
    world = toy.encoded_world()
    model = toy.printed_fit("paper", world, center=policy)
    final = source_features(model, world).mean(axis=0)
    np.testing.assert_allclose(model.center_, final, atol=1e-12)
    assert np.abs(model.center_ - frozen_mean(world)).max() > 1e-3


def test_a_moving_average_follows_the_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    world = toy.encoded_world()
    means: list[Tensor] = []
    mean = losses.one_class_center

    def recorded(features: Tensor) -> Tensor:
        means.append(mean(features))
        return means[-1]

    monkeypatch.setattr(objective, "one_class_center", recorded)
    fit = toy.printed_fitting("source_only", world, center="ema")
    assert len(means) == fit.diagnostics.steps
    expected = frozen_mean(world)
    for batch in means:
        expected = 0.9 * expected + 0.1 * batch.double().numpy()
    np.testing.assert_allclose(fit.model.center_, expected, atol=1e-5)
    assert np.linalg.norm(fit.model.center_ - frozen_mean(world)) > 1e-3


def test_a_centre_of_the_batch_is_that_of_the_batch() -> None:
    """Compactness is then the variance within the batch: with all images, 1 at the start."""
    world = toy.encoded_world()
    options = {"max_steps": 1, "batch_source": len(world.source)}
    fit = toy.printed_fitting("source_only", world, center="batch", training=options)
    assert fit.diagnostics.losses["training"][0] == pytest.approx(1, abs=1e-4)


def test_a_centre_of_the_epoch_stays_within_it(monkeypatch: pytest.MonkeyPatch) -> None:
    world = toy.encoded_world()
    seen: list[bytes] = []
    svdd = losses.svdd_loss

    def recorded(features: Tensor, center: Tensor) -> Tensor:
        seen.append(center.numpy().tobytes())
        return svdd(features, center)

    monkeypatch.setattr(objective, "svdd_loss", recorded)
    options = {"epochs": 3, "batch_source": 20}  # Three steps an epoch.
    toy.printed_fit("source_only", world, center="epoch", training=options)
    assert [seen.index(center) for center in seen] == [0, 0, 0, 3, 3, 3, 6, 6, 6]


# --- normalisation layers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("policy", "moves"), [("frozen", False), ("joint", True), ("separate", True)]
)
def test_running_statistics(policy: str, moves: bool) -> None:
    world = toy.encoded_world()
    model = toy.printed_fit("paper", world, training={"batch_norm": policy, "epochs": 2})
    before = norms(AdaptedNetwork(toy.encoder(), model.config.training))
    after = norms(model.network_)
    assert before
    for one, two in zip(before, after, strict=True):
        assert one.running_mean is not None
        assert two.running_mean is not None
        assert torch.equal(one.running_mean, two.running_mean) != moves
    assert not any(module.training for module in model.network_.modules())


def one_step(world: toy.Encoded, batch_norm: str) -> Any:
    n, m = len(world.source), len(world.pool)
    training = {"batch_norm": batch_norm, "max_steps": 1, "batch_source": n}
    return toy.printed_fit("align_all", world, lambda_uda=0, batch_dominant=m, training=training)


@pytest.mark.parametrize(
    ("policy", "depends"), [("frozen", False), ("joint", True), ("separate", False)]
)
def test_whether_source_features_depend_on_the_target_beside_them(
    policy: str, depends: bool
) -> None:
    """With the alignment's weight at 0, the target can act through the statistics alone."""
    world = toy.encoded_world()
    other = replace(
        world, pool=replace(world.pool, arrays={k: 3 * v[:] for k, v in world.pool.arrays.items()})
    )
    one, two = (
        [p.detach() for p in one_step(w, policy).network_.parameters()] for w in (world, other)
    )
    same = all(torch.allclose(a, b, atol=1e-7) for a, b in zip(one, two, strict=True))
    assert same != depends


@pytest.mark.parametrize("policy", ["joint", "separate"])
def test_the_centre_belongs_to_live_features(policy: str) -> None:
    """The mean of the source as training normalises it, not under pretrained statistics."""
    world = toy.encoded_world()
    training = {
        "batch_norm": policy,
        "max_steps": 1,
        "batch_source": len(world.source),
        "learning_rate": 1e-12,
    }
    model = toy.printed_fit("source_only", world, training=training)
    network = AdaptedNetwork(toy.encoder(), model.config.training).train()
    with torch.no_grad():
        live = network(torch.from_numpy(world.source[SPLIT])).mean(dim=0)
    np.testing.assert_allclose(model.center_, live.numpy(), atol=1e-5)
    assert np.abs(model.center_ - frozen_mean(world)).max() > 0.01


@pytest.mark.parametrize("center", ["fixed", "ema", "epoch", "batch"])
@pytest.mark.parametrize("policy", ["joint", "separate"])
def test_live_statistics_rank_the_toy_world(policy: str, center: str) -> None:
    for seed in range(2):
        world = toy.encoded_world(seed)
        model = toy.printed_fit(
            "paper", world, seed, center=center, training={"batch_norm": policy}
        )
        assert toy.area(model, world) > 0.85
