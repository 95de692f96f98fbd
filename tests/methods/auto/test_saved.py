"""`auto`: saved arrays."""

from __future__ import annotations

import numpy as np
import pytest
from tests.methods.auto.cases import each_locality
from tests.support import toy

from twofold.errors import ConfigError
from twofold.methods import parse_config
from twofold.methods.auto.method import Auto


@each_locality
def test_saved_and_restored(locality: str) -> None:
    world = toy.encoded_world()
    fit = toy.fitting("auto", world, locality=locality)
    config = parse_config(Auto, {"locality": locality})
    restored = Auto(toy.encoder(), config).restore(fit.model.state())
    assert np.array_equal(restored.score(world.test), fit.model.score(world.test))
    if locality != "global":
        assert np.array_equal(restored.anomaly_map(world.test), fit.model.anomaly_map(world.test))
        assert restored.map_range() == fit.model.map_range()
    for other in {"global", "local", "both"} - {locality}:
        with pytest.raises(ConfigError, match="do not fit method auto"):
            Auto(toy.encoder(), parse_config(Auto, {"locality": other})).restore(fit.model.state())


def test_saved_arrays_are_checked() -> None:
    state = toy.fit("auto", toy.encoded_world()).state()
    scale, maps = state["local.scale"], state["local.maps"]
    for name, bad in (
        ("weight", np.array([1.5])),
        ("weight", np.array([np.nan])),
        ("whole.mean", state["whole.mean"][:-1]),
        ("local.mean", state["local.mean"][:, :-1]),
        ("whole.scale", np.array([1.0, 0.0])),
        ("local.scale", np.array([np.nan, scale[1]])),
        ("local.maps", maps[:6]),
        ("local.maps", np.where(np.arange(len(maps)) == 3, maps[2], maps)),
    ):
        with pytest.raises(ConfigError, match="do not fit method auto"):
            Auto(toy.encoder()).restore(state | {name: bad})


@pytest.mark.slow
@each_locality
def test_the_folds_of_the_pool_are_the_random_states(locality: str) -> None:
    one, again, other = (
        toy.fitting("auto", toy.encoded_world(), seed, locality=locality).out_of_sample
        for seed in (0, 0, 1)
    )
    assert one.origin == "target"
    assert np.array_equal(one.scores, again.scores)
    assert not np.array_equal(one.scores, other.scores)
