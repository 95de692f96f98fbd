"""Looking at a training changes nothing, and sees every epoch."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold.encoders.encoded import EncodedImages
from twofold.method_table import METHODS
from twofold.methods import parse_config

Scorer = Callable[[EncodedImages], NDArray[np.float64]]


@pytest.mark.slow
@pytest.mark.parametrize("name", ["paper", "source_only", "msra", "tsa"])
@pytest.mark.parametrize("trains", ["head", "last_stage"])
def test_watching_changes_no_bit(name: str, trains: str) -> None:
    method = METHODS.load(name)
    options = toy.quick_options(method)
    if "trains" in method.Config.model_fields:
        options |= {"trains": trains, "shot_epochs": 5, "iterations": 7}
    else:
        options["training"] = {"trainable": trains, "epochs": 3}
    options = {k: v for k, v in options.items() if k in method.Config.model_fields}
    # Normalisation and dropout are live in `msra` unless it is told otherwise.
    options |= {"always_eval": False} if name == "msra" else {}
    world = toy.encoded_world()
    config = parse_config(method, options)
    data = toy.fit_data(method, world, config)
    seen: list[NDArray[np.float64]] = []

    def watch(score: Scorer) -> None:
        seen.append(score(world.test))

    plain: Any = method(toy.encoder(), config).fit(data, random_state=1)
    watched: Any = method(toy.encoder(), config).fit(data, random_state=1, watch=watch)
    assert len(seen) == len(plain.diagnostics.losses["training"]) > 1
    assert plain.diagnostics.losses == watched.diagnostics.losses
    for key, array in plain.model.state().items():
        assert np.array_equal(array, watched.model.state()[key])
    assert np.array_equal(seen[-1], watched.model.score(world.test))
    assert not np.array_equal(seen[0], seen[-1])


def test_a_watcher_is_forgotten() -> None:
    method = METHODS.load("source_only")
    data = toy.fit_data(method, toy.encoded_world())
    looks: list[Scorer] = []
    options = parse_config(method, {"training": {"trainable": "head", "epochs": 2, "min_steps": 0}})
    model = method(toy.encoder(), options)
    model.fit(data, watch=looks.append)
    model.fit(data)
    assert len(looks) == 2
