"""No clustering: everything in the target is drawn in, anomalies too."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from tests.support import toy

HEAD: dict[str, Any] = {"training": {"trainable": "head"}, "lambda_uda": 1.0}


def test_all_of_the_target_is_positive() -> None:
    world = toy.clouds()
    fit = toy.fitting("align_all", world, **HEAD)
    assert np.array_equal(fit.diagnostics.partition.dominant, np.arange(len(world.pool)))
    assert not len(fit.diagnostics.partition.others)
    assert fit.diagnostics.partition.weights is None


def test_only_the_attraction_remains() -> None:
    """Eq. 8 has no denominator: the first loss is minus the mean cosine over the temperature."""
    world = toy.clouds()
    one_step = {"trainable": "head", "max_steps": 1, "batch_source": len(world.source)}
    options: dict[str, Any] = {"lambda_ad": 0, "lambda_uda": 0.1, "training": one_step}
    fit = toy.fitting("align_all", world, batch_dominant=len(world.pool), **options)
    source, pool = (torch.from_numpy(part["pooled"]) for part in (world.source, world.pool))
    cosines = torch.nn.functional.cosine_similarity(source[:, None], pool[None], dim=2)
    expected = -0.1 * cosines.mean().item() / 0.1
    np.testing.assert_allclose(fit.diagnostics.losses["training"], [expected], rtol=1e-4)


@pytest.mark.slow
def test_anomalies_are_drawn_in_with_the_rest() -> None:
    """The two-fold curse: a selection that leaves them out ranks better."""
    gains = []
    for seed in range(3):
        world = toy.clouds(seed, share=0.4)
        kept_out = toy.area(toy.fit("oracle", world, seed, **HEAD), world)
        gains.append(kept_out - toy.area(toy.fit("align_all", world, seed, **HEAD), world))
    assert min(gains) >= 0, gains
    assert np.mean(gains) > 0.01, gains
