"""What a configuration wants is what its fit must be given."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, get_args

import numpy as np
import pytest
from tests.support import toy
from tests.support.curious import Curious, CuriousConfig

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.method_table import METHODS
from twofold.methods import FitData, Need, first_by_name, parse_config


def curious(**options: Any) -> Curious:
    return Curious(toy.encoder(), CuriousConfig(**options))


def test_a_configuration_wants_what_its_method_needs_unless_it_says_otherwise() -> None:
    assert CuriousConfig().wanted(Curious.needs) == Curious.needs == {"target_shots"}
    assert CuriousConfig(wants=("source_anomalies",)).wanted(Curious.needs) == {
        "target_shots",
        "source_anomalies",
    }


@pytest.mark.parametrize("need", [n for n in get_args(Need) if n != "target_shots"])
def test_what_is_wanted_must_be_given_and_nothing_else(need: Need) -> None:
    images = toy.clouds().pool
    labels = toy.clouds().pool_labels
    data = FitData(source=toy.clouds().source, target_shots=images)
    extra: Any = {need: labels if need == "target_labels" else images}
    wanting = (need, "target_pool") if need == "target_labels" else (need,)
    if need == "target_labels":
        data, more = replace(data, target_pool=images), replace(data, target_pool=images, **extra)
    else:
        more = replace(data, **extra)
    curious(wants=wanting).fit(more)
    with pytest.raises(ConfigError, match=f"needs {need}"):
        curious(wants=wanting).fit(data)
    with pytest.raises(ConfigError, match=f"must not see {need}"):
        curious(wants=tuple(n for n in wanting if n != need)).fit(more)


def test_what_is_wanted_must_not_be_empty() -> None:
    world = toy.clouds()
    nothing = world.pool.subset(np.array([], dtype=np.intp))
    data = FitData(world.source, target_shots=world.pool, source_anomalies=nothing)
    with pytest.raises(NotEnoughImagesError, match="source_anomalies holds no usable image"):
        curious(wants=("source_anomalies",)).fit(data)


def test_known_normals_are_images_of_the_pool() -> None:
    world = toy.clouds()
    confirmed = frozenset(world.pool.digests[:2])
    data = FitData(world.source, target_shots=world.pool, known_normal=confirmed)
    assert data.known_rows() is None
    with pytest.raises(ConfigError, match="known_normal names images of target_pool"):
        curious(wants=()).fit(data)
    rows = replace(data, target_pool=world.pool).known_rows()
    assert rows is not None
    assert np.flatnonzero(rows).tolist() == [0, 1]


def test_the_first_by_name() -> None:
    images = replace(toy.from_arrays(pooled=np.eye(3)), names=("b/2", "a/9", "b/1"))
    assert first_by_name(images).names == ("a/9",)
    assert first_by_name(images.subset(np.array([2, 0]))).names == ("b/1",)


@pytest.mark.parametrize("name", ["tsa", "ildr"])
def test_what_an_option_adds_is_declared(name: str) -> None:
    method = METHODS.load(name)
    labelled = parse_config(method, {"source_negatives": "labelled"})
    assert labelled.wanted(method.needs) == method.needs | method.may_need
    assert method.Config().wanted(method.needs) == method.needs
