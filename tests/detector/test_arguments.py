"""Every argument of every public call with the wrong type, the wrong range, NaN and None."""

from __future__ import annotations

import copy
import math
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tests.support import toy

from twofold import Detector
from twofold.detector.check import check_pair
from twofold.errors import ConfigError, TwofoldError
from twofold.images import find_images

NAN = float("nan")
# Wrong for every argument that takes something else than exactly this.
STRANGE: dict[str, object] = {
    "None": None,
    "nan": NAN,
    "inf": math.inf,
    "-1": -1,
    "0": 0,
    "2": 2,
    "1e400": 10**400,
    "0.5": 0.5,
    "True": True,
    "text": "x",
    "numeral": "0.05",
    "no text": "",
    "NUL": "a\0b",
    "two lines": "a\nb",
    "bytes": b"x",
    "list": [],
    "dict": {},
    "dict of numbers": {1: 2},
    "set": {1.5},
    "object": object(),
    "type": int,
    "function": print,
    "array": np.zeros((2, 2)),
    "complex": 1j,
    "nans": np.full(3, NAN),
    "path": Path("no/such/file"),
}


@dataclass(frozen=True)
class Call:
    """A public call, and the strange values that are right for one of its arguments.

    ``argument`` is what the message must name, or "" where it is the input itself.
    """

    name: str
    argument: str
    run: Callable[[Detector, toy.World, object], object]
    right: tuple[str, ...] = ()


def fit_with(parameter: str) -> Callable[[Detector, toy.World, object], object]:
    def run(detector: Detector, world: toy.World, value: object) -> object:
        changed = copy.copy(detector).set_params(**{parameter: value})
        return changed.fit(world.source[:12], world.pool[:24])

    return run


def call(method: str, argument: str) -> Callable[[Detector, toy.World, object], object]:
    def run(detector: Detector, world: toy.World, value: object) -> object:
        found = getattr(detector, method)(world.test[:2], **{argument: value})
        return list(found) if isinstance(found, Iterator) else found

    return run


def given(method: str) -> Callable[[Detector, toy.World, object], object]:
    def run(detector: Detector, world: toy.World, value: object) -> object:
        found = getattr(detector, method)(value)
        return list(found) if isinstance(found, Iterator) else found

    return run


def fit_on(argument: str, method: str = "auto") -> Callable[[Detector, toy.World, object], object]:
    def run(detector: Detector, world: toy.World, value: object) -> object:
        images: dict[str, Any] = {"source": world.source[:12], "target": world.pool[:24]}
        changed = copy.copy(detector).set_params(method=method, options=None)
        return changed.fit(**(images | {argument: value}))

    return run


def check_with(argument: str) -> Callable[[Detector, toy.World, object], object]:
    def run(detector: Detector, world: toy.World, value: object) -> object:
        arguments: dict[str, Any] = {
            "source": world.source[:4],
            "target": world.pool[:4],
            "encoder": toy.ENCODER,
            "weights": "random",
            "engine": "torch",
        }
        return check_pair(**(arguments | {argument: value}))

    return run


RATE = ("0.5",)
PATHS = ("text", "numeral", "NUL", "two lines", "path")
FLAG = ("True",)
SEED = ("0", "2")
CALLS = [
    Call("fit", "method", fit_with("method")),
    Call("fit", "encoder", fit_with("encoder")),
    Call("fit", "false_alarm_rate", fit_with("false_alarm_rate"), RATE),
    Call("fit", "random_state", fit_with("random_state"), ("None", *SEED)),
    Call("fit", "locality", fit_with("locality"), ("None",)),
    Call("fit", "options", fit_with("options"), ("None", "dict")),
    Call("fit", "weights", fit_with("weights"), ()),
    Call(
        "fit",
        "selection_weights",
        fit_with("selection_weights"),
        ("None", *PATHS),
    ),
    Call("fit", "bit_depth", fit_with("bit_depth"), ("None",)),
    Call("fit", "mask", fit_with("mask"), ("None",)),
    Call("fit", "strict", fit_with("strict"), FLAG),
    Call("fit", "engine", fit_with("engine")),
    Call("fit", "progress", fit_with("progress"), ("None", "type", "function")),
    Call("fit", "", fit_on("source")),
    Call("fit", "", fit_on("target")),
    Call("fit", "target_labels", fit_on("target_labels", "oracle")),
    Call("fit", "", fit_on("target_shots", "paper_few_shot")),
    Call("fit", "", fit_on("source_anomalies", "msra")),
    *(Call(m, "", given(m)) for m in ("decision_function", "predict", "score", "score_samples")),
    *(Call(m, "", given(m)) for m in ("anomaly_map", "maps")),
    Call(
        "predict", "false_discovery_rate", call("predict", "false_discovery_rate"), ("None", *RATE)
    ),
    Call("score", "false_discovery_rate", call("score", "false_discovery_rate"), ("None", *RATE)),
    Call("score", "each_map", call("score", "each_map"), ("None", "function", "type")),
    Call("set_mask", "mask", lambda d, w, value: copy.copy(d).set_mask(value), ("None",)),  # type: ignore[arg-type]
    Call("set_params", "", lambda d, w, value: copy.copy(d).set_params(**{str(value): 1})),
    Call("load", "", lambda d, w, value: Detector.load(value)),  # type: ignore[arg-type]
    Call("find_images", "", lambda d, w, value: find_images(value)),  # type: ignore[arg-type]
    *(
        Call("check", name, check_with(name), right)
        for name, right in {
            "encoder": (),
            "false_alarm_rate": RATE,
            "random_state": SEED,
            "bit_depth": ("None",),
            "mask": ("None",),
            "strict": FLAG,
            "engine": (),
            "progress": ("None", "type", "function"),
        }.items()
    ),
    Call("check", "", check_with("source")),
    Call("check", "", check_with("target")),
]


NAMES = [f"{c.name}-{c.argument or i}" for i, c in enumerate(CALLS)]


@pytest.fixture(scope="module")
def small(world: toy.World) -> Detector:
    with pytest.MonkeyPatch.context() as patch, toy.registered(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        patch.setenv("TWOFOLD_CACHE", "off")
        detector = Detector("auto", toy.ENCODER, 0.1, weights="random", engine="torch")
        return detector.fit(world.source[:12], world.pool[:24])


def state_of(detector: Detector) -> tuple[object, ...]:
    return (
        detector.get_params(),
        detector.threshold_,
        id(detector.method_),
        detector.method_._fitted,
        detector.method_._watch,
        detector.evidence_,
        detector.decision_scores_.tobytes(),
    )


@pytest.mark.parametrize(
    "public", CALLS, ids=[f"{c.name}-{c.argument or i}" for i, c in enumerate(CALLS)]
)
@pytest.mark.filterwarnings("ignore")
def test_strange_arguments(small: Detector, world: toy.World, public: Call) -> None:
    """Ours, in one line, naming the argument, and the detector is as it was before."""
    before = state_of(small)
    wrong = [name for name in STRANGE if name not in public.right]
    for name in wrong:
        try:
            public.run(small, world, STRANGE[name])
        except TwofoldError as error:
            text = str(error)
            assert text
            assert len(text.splitlines()) == 1, (name, text)
            assert len(text) < 400, (name, text)
            assert public.argument in text, (name, text)
        else:
            pytest.fail(f"{name} is taken")
    assert state_of(small) == before


def test_labels_are_whole_numbers(world: toy.World, small: Detector) -> None:
    labels = world.pool_labels[:24].astype(float)
    labels[3] = 0.9
    with pytest.raises(ConfigError, match="target_labels must be a flat list of 0"):
        fit_on("target_labels", "oracle")(small, world, labels)
    with pytest.raises(ConfigError, match="target_labels has 23 entries for 24 target images"):
        fit_on("target_labels", "oracle")(small, world, world.pool_labels[:23])


@pytest.mark.slow
def test_a_fit_that_fails_late_changes_nothing(
    small: Detector, world: toy.World, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = small.decision_function(world.test[:4])

    def broken(*args: object, **more: object) -> None:
        raise ZeroDivisionError

    before = state_of(small)
    for step in ("fit_threshold", "collect_evidence", "look_at"):
        with monkeypatch.context() as patch:
            patch.setattr(f"twofold.detector.fitting.{step}", broken)
            with pytest.raises(ZeroDivisionError):
                small.fit(world.source, world.pool)
        assert state_of(small) == before
        assert (small.decision_function(world.test[:4]) == expected).all()


@pytest.mark.filterwarnings("ignore")
def test_one_image_is_counted_as_one(small: Detector, world: toy.World) -> None:
    with pytest.raises(TwofoldError) as caught:
        copy.copy(small).fit(world.source, world.pool[:1])
    assert "none" not in str(caught.value)
    assert "got 1" in str(caught.value)
