"""What a configuration wants is asked for, and handed over."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from tests.support import toy
from tests.support.curious import Curious, CuriousConfig

from twofold.detector import Detector
from twofold.detector.inputs import check_given, hand_over
from twofold.errors import ConfigError, UsageError
from twofold.method_table import METHODS

GIVEN = {"target": True, "target_shots": True, "target_labels": False}


@pytest.fixture
def known() -> Iterator[None]:
    with METHODS.restored():
        METHODS.add("curious", "tests.support.curious:Curious")
        yield


def test_missing_and_forbidden_anomalies() -> None:
    plain, more = CuriousConfig(), CuriousConfig(wants=("source_anomalies",))
    check_given(Curious, plain, **GIVEN)
    check_given(Curious, more, **GIVEN, source_anomalies=True)
    with pytest.raises(UsageError, match="with these options needs source_anomalies"):
        check_given(Curious, more, **GIVEN)
    with pytest.raises(ConfigError, match="must not see source_anomalies"):
        check_given(Curious, plain, **GIVEN, source_anomalies=True)


def test_an_option_may_want_the_pool() -> None:
    config = CuriousConfig(wants=("target_pool",))
    with pytest.raises(UsageError, match="needs target images"):
        check_given(Curious, config, **(GIVEN | {"target": False}))


@pytest.mark.parametrize("wants", [(), ("target_pool",), ("source_reference",)])
def test_what_is_handed_over(wants: tuple[Any, ...]) -> None:
    world = toy.clouds()
    method = Curious(toy.encoder(), CuriousConfig(wants=wants))
    given: dict[str, Any] = {"pool": world.pool, "shots": world.test, "anomalies": None}
    data = hand_over(method, world.source, **given, selection=None, labels=None)
    assert (data.target_pool is None) == ("target_pool" not in wants)
    assert (data.source_reference is None) == ("source_reference" not in wants)
    if data.source_reference is not None:
        assert data.source_reference.names == (min(world.source.names),)
    method.fit(data)


def test_a_detector_hands_over_anomalies(known: None) -> None:
    world = toy.make_world(n_source=6, n_pool=10, n_test=4)
    with toy.registered():
        detector = Detector(
            "curious",
            toy.ENCODER,
            0.5,
            options={"wants": ["source_anomalies"]},
            weights="random",
            engine="torch",
        )
        with pytest.warns(UserWarning, match="rests on source images"):
            detector.fit(
                world.source,
                target_shots=world.pool[:3],
                source_anomalies=world.test[world.test_labels == 1],
            )
    method: Any = detector.method_
    seen = method.data_.source_anomalies
    expected = toy.encode(world.test[world.test_labels == 1])["pooled"]
    assert np.allclose(seen["pooled"], expected, atol=1e-5)
