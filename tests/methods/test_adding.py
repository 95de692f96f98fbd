"""A new method takes one file and one registry line."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from tests.methods.contract import CHECKS
from tests.support import toy

from twofold import Detector
from twofold.errors import ConfigError
from twofold.method_table import METHODS
from twofold.metrics import auroc

SOURCE = '''
"""Distance to the median of the target pool."""
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages
from twofold.methods import FitData, Found, Method, MethodConfig, OutOfSample
from twofold.methods.base import Progress, folds


class ToyConfig(MethodConfig):
    power: float = 2.0


class Toy(Method):
    id = "toy"
    summary = "distance to the median of the pool"
    needs = frozenset({"target_pool"})
    Config = ToyConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        self.center_ = np.median(data.target_pool["pooled"].astype(np.float64), axis=0)
        return Found()

    def _score(self, images: EncodedImages) -> NDArray[np.float64]:
        return (np.abs(images["pooled"] - self.center_) ** self.config.power).sum(axis=1)

    def _cross_fit(self, data: FitData, random_state: int) -> OutOfSample:
        scores = np.empty(len(data.target_pool))
        for fold in folds(data.target_pool.grouping(), 4, random_state):
            other = type(self)(self.encoder, self.config)
            other._fit(FitData(data.source, data.target_pool.subset(~fold)), 0, None)
            scores[fold] = other._score(data.target_pool.subset(fold))
        return OutOfSample(scores, "target", data.target_pool.grouping())

    def _state(self) -> dict[str, NDArray[Any]]:
        return {"center": self.center_}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.center_ = state["center"]
        if self.center_.shape != (self.encoder.spec.feature_dim,):
            raise ValueError("misshapen")
'''


@pytest.fixture
def toy_method(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    (tmp_path / "toy_method.py").write_text(SOURCE)
    monkeypatch.syspath_prepend(str(tmp_path))
    with METHODS.restored():
        METHODS.add("toy", "toy_method:Toy")
        yield "toy"
    sys.modules.pop("toy_method", None)


def test_it_keeps_the_contract(toy_method: str) -> None:
    for name, check in CHECKS.items():
        # A copied target leaves it its one point; a fold of a pool of one is empty.
        if name not in ("small",):
            check(METHODS.load(toy_method))


@pytest.mark.slow
def test_the_detector_knows_it(
    toy_method: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    world = toy.make_world()
    with toy.registered():
        detector = Detector(toy_method, toy.ENCODER, weights="random", options={"power": 1.5})
        scores = detector.fit(world.source, world.pool).decision_function(world.test)
        detector.save(tmp_path / "m")
        loaded = Detector.load(tmp_path / "m", weights="random")
    normal, anomalous = scores[world.test_labels == 0], scores[world.test_labels == 1]
    assert auroc(normal, anomalous) > 0.8
    assert np.array_equal(loaded.decision_function(world.test), scores)
    with pytest.raises(ConfigError, match=r"method toy, option power.*its options: power"):
        Detector(toy_method, options={"power": "x"}).fit(world.source, world.pool)


def test_an_id_is_taken_once(toy_method: str) -> None:
    with pytest.raises(ConfigError, match="already registered"):
        METHODS.add(toy_method, "toy_method:Toy")


def test_nothing_is_left_behind() -> None:
    assert "toy" not in METHODS
    assert "toy_method" not in sys.modules
