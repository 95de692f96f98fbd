"""IRAD on small images."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.comparison.irad.cases import PIXEL
from tests.methods.contract import CHECKS
from tests.support import toy

from twofold.comparison.irad import method as irad
from twofold.comparison.irad.method import Irad, IradConfig

# Each fit takes seconds: a comparison system, with the slow tests.
pytestmark = pytest.mark.slow


class PixelConfig(IradConfig):
    """Small networks on pixels as the default, for the contract."""

    space: Any = "pixel"
    ngf: int = 2
    latent_dim: int = 8
    trees: int = 20
    adversarial_epochs: int = 3


class PixelIrad(Irad):
    Config = PixelConfig


@pytest.mark.parametrize(
    "check", ["declaration", "random_state", "refit", "state", "inputs", "rows", "empty"]
)
def test_the_contract_on_pixels(check: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three steps: what is checked holds however long it trains."""
    monkeypatch.setitem(toy.QUICK, "least_steps", 3)
    CHECKS[check](PixelIrad)


def test_it_ranks_the_toy_world_on_pixels() -> None:
    options = PIXEL | {"least_steps": 40, "adversarial_rate": 1e-3, "adversarial_batch": 16}
    # A short adversarial training ends elsewhere with another number of threads: in some worlds at
    # chance. Networks that learn nothing end there in all of them.
    worlds = map(toy.encoded_world, (0, 1))
    assert max(toy.area(toy.fit("irad", w, **options), w) for w in worlds) > 0.9


def test_it_reads_pixels_only_on_pixels() -> None:
    assert IradConfig().outputs() == IradConfig().shot_outputs() == ("pooled",)
    pixel = IradConfig(space="pixel")
    assert pixel.outputs() == pixel.shot_outputs() == ("pixels",)


def test_reconstructions() -> None:
    world = toy.encoded_world()
    options = PIXEL | {"least_steps": 25, "adversarial_rate": 1e-2, "cycle_weight": 100.0}
    fit = toy.fitting("irad", world, **options)
    source, target = (
        images["pixels"][:6].astype(np.uint8) for images in (world.source, world.pool)
    )
    own, crossed = irad.reconstruct(fit.diagnostics.networks, source, target)
    assert own.shape == crossed.shape == source.shape
    assert own.dtype == crossed.dtype == np.uint8
    assert not np.array_equal(own, crossed)
    blank = np.abs(source.astype(float) - 128).mean()
    assert np.abs(source.astype(float) - own).mean() < blank
    score = fit.model.score(world.test)
    again, _ = irad.reconstruct(fit.diagnostics.networks, source, target)
    np.testing.assert_array_equal(again, own)
    np.testing.assert_array_equal(fit.model.score(world.test), score)
