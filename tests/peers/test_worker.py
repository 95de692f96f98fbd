"""The worker's own part: times in order, and scores that are one finite number an image."""

from __future__ import annotations

import sys
import time
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from peers.cells import Images
from peers.systems import SYSTEMS, System
from peers.worker import measured

IMAGES = Images(("a", "b"), ("c",), ("dd", "e", "fff"))


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """A system whose score is the length of a path."""
    module = ModuleType("peers.with_made_up")

    def fit(model: str, fitted_on: str, images: Images, run: int) -> Any:
        assert (model, fitted_on, images, run) == ("length", "pool", IMAGES, 7)
        time.sleep(0.05)
        return lambda paths: [len(path) for path in paths]

    module.fit = fit  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, module.__name__, module)
    system = System(module.__name__, "length", "pool", ())
    assert system.id == "made_up/length@pool"
    monkeypatch.setitem(SYSTEMS, system.id, system)
    return module


@pytest.mark.usefixtures("made_up")
def test_scores_and_seconds() -> None:
    found = measured("made_up/length@pool", 7, IMAGES)
    assert found["scores"] == [2.0, 1.0, 3.0]
    assert found["fit_seconds"] >= 0.05
    assert 0 <= found["score_seconds"] < found["fit_seconds"]


@pytest.mark.parametrize("scores", [[1.0, 2.0], [1.0, np.nan, 2.0], [[1.0], [2.0], [3.0]]])
def test_scores_that_are_none_are_refused(made_up: ModuleType, scores: list[Any]) -> None:
    made_up.fit = lambda *given: lambda paths: scores  # type: ignore[attr-defined]
    with pytest.raises(ValueError, match="3 finite numbers"):
        measured("made_up/length@pool", 7, IMAGES)
