"""The paper's selection with maximum mean discrepancy."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tests.support import toy

from twofold.losses import mmd_alignment
from twofold.training import forward_all

HEAD: dict[str, Any] = {"trainable": "head"}


def discrepancy(fit: Any, world: toy.Encoded) -> float:
    """MMD between all source features and those of the dominant cluster."""
    near, pool = (
        torch.from_numpy(forward_all(fit.model.network_, part["pooled"]))
        for part in (world.source, world.pool)
    )
    return float(mmd_alignment(near, pool[torch.from_numpy(fit.diagnostics.partition.dominant)]))


def test_it_draws_the_domains_together() -> None:
    world = toy.clouds()
    without = discrepancy(
        toy.printed_fitting("paper_mmd", world, lambda_uda=0, training=HEAD), world
    )
    fit = toy.printed_fitting("paper_mmd", world, training=HEAD)
    assert discrepancy(fit, world) < 0.8 * without


def test_its_loss_falls() -> None:
    losses = toy.printed_fitting(
        "paper_mmd", toy.clouds(), lambda_ad=0, training=HEAD
    ).diagnostics.losses["training"]
    assert np.mean(losses[-3:]) < np.mean(losses[:3])


def test_the_first_loss_is_the_discrepancy() -> None:
    world = toy.clouds()
    dominant = int((world.pool_labels == 0).sum())
    one_step = HEAD | {"max_steps": 1, "batch_source": len(world.source)}
    fit = toy.printed_fitting(
        "paper_mmd", world, lambda_ad=0, lambda_uda=3.0, batch_dominant=dominant, training=one_step
    )
    source, pool = (torch.from_numpy(part["pooled"]) for part in (world.source, world.pool))
    expected = 3.0 * float(mmd_alignment(source, pool[torch.from_numpy(world.pool_labels == 0)]))
    np.testing.assert_allclose(fit.diagnostics.losses["training"], [expected], rtol=1e-4)


def test_images_outside_the_cluster_do_not_matter() -> None:
    """MMD has no negatives."""
    world = toy.clouds()
    few, many = (
        toy.printed_fit(
            "paper_mmd", world, batch_others=n, training=HEAD | {"epochs": 1, "max_steps": 1}
        )
        for n in (0, 16)
    )
    assert np.array_equal(few.score(world.test), many.score(world.test))


def test_the_selection_is_the_papers() -> None:
    world = toy.clouds()
    one, two = (toy.printed_fitting(name, world, training=HEAD) for name in ("paper", "paper_mmd"))
    assert np.array_equal(one.diagnostics.partition.dominant, two.diagnostics.partition.dominant)
    assert not np.array_equal(one.model.score(world.test), two.model.score(world.test))
