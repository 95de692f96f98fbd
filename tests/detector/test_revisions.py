"""Scores that change are those of another revision of their method."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import toy
from tests.support.each_method import TRAINED, each_method

from twofold import Detector
from twofold.encoders import patches
from twofold.errors import BundleError
from twofold.method_table import METHODS

GOLDEN = Path(__file__).with_name("golden_scores.json")
# Closed forms repeat to rounding. Training carries rounding on, which differs between processors.
CLOSED = ("auto", "target_only", "frozen_source", "padim", "patchcore")
# Options under which a method scores as it is published or released, where that is no default.
PUBLISHED: dict[str, dict[str, Any]] = {
    **{name: {"recipe": "as_printed"} for name in TRAINED},
    "msra": {"geometry": "euclidean", "msra_learning_rate": 0.03},
    "gnl": {"image_score": "max"},
}
TOLERANCE = {True: 1e-3, False: 0.05}  # of the range of the scores


def summary(detector: Detector, world: toy.World) -> dict[str, Any]:
    scores = detector.decision_function(world.test)
    return {"revision": detector.method_.revision, "scores": [float(f"{s:.6g}") for s in scores]}


@each_method
def test_the_same_revision_gives_the_same_scores(
    fit_of: Callable[[str], Any], world: toy.World, name: str
) -> None:
    """Otherwise rows of the older algorithm would count as done, and saved models as usable.

    Raise ``revision`` of the method, then write its scores with
    ``WRITE_GOLDEN=1 pytest tests/detector/test_revisions.py``.
    """
    same_scores(name, summary(fit_of(name).detector, world))


@pytest.mark.slow
@pytest.mark.parametrize("name", PUBLISHED)
def test_what_is_published_stays_within_reach(
    fit_of: Callable[..., Any], world: toy.World, name: str
) -> None:
    """Its scores were written before the defaults changed, and never again."""
    known = json.loads(GOLDEN.read_text())[f"{name}, published"]["scores"]
    found = summary(fit_of(name, **PUBLISHED[name]).detector, world)["scores"]
    compare(found, known, name)


def same_scores(name: str, found: dict[str, Any]) -> None:
    known = json.loads(GOLDEN.read_text())
    if "WRITE_GOLDEN" in os.environ:
        GOLDEN.write_text(json.dumps(known | {name: found}, indent=1) + "\n")
        return
    expected = known[name]
    assert found["revision"] == expected["revision"], f"{name} has another revision: write it anew"
    compare(found["scores"], expected["scores"], name)


def compare(found: list[float], expected: list[float], name: str) -> None:
    difference = np.abs(np.subtract(found, expected)).max()
    assert difference < TOLERANCE[name in CLOSED] * np.ptp(expected), f"{name} scores otherwise"


@pytest.fixture
def model(fitted: Detector, tmp_path: Path) -> Path:
    fitted.save(tmp_path / "m")
    return tmp_path / "m"


def refused(model: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        Detector.load(model, weights="random")
    assert len(str(caught.value).splitlines()) == 1


def test_a_model_of_another_revision_is_refused(
    model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(METHODS.load("auto"), "revision", 99)
    refused(model, r"fitted by revision \d+ of the method auto, and this is revision 99")


def test_a_model_of_another_output_is_refused(model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patches, "VERSION", 99)
    refused(model, "another version of the output 'patches@3' of toy: fit it again")
