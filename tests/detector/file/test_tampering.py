"""Saved detectors: content that was altered behind matching checksums."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import safetensors.numpy
from numpy.typing import NDArray
from tests.detector.file.cases import QUICK, Make, document, forge
from tests.support import toy

from twofold import Detector
from twofold.errors import BundleError
from twofold.method_table import METHODS


def forge_tensors(path: Path, change: Callable[[dict[str, NDArray[Any]]], None]) -> None:
    """Change the tensors and make every size and hash match."""
    file = path / "tensors.safetensors"
    tensors = safetensors.numpy.load(file.read_bytes())
    change(tensors)
    raw = safetensors.numpy.save(tensors)
    file.write_bytes(raw)
    listed = {
        name: {"dtype": str(array.dtype), "shape": list(array.shape)}
        for name, array in tensors.items()
    }
    before = document(path)
    example = next(iter(before["tensors"].values()))
    assert set(example) == set(next(iter(listed.values()))), example
    files = before["files"] | {
        file.name: {"sha256": hashlib.sha256(raw).hexdigest(), "bytes": len(raw)}
    }
    forge(path, files=files, tensors=listed)


def refused(path: Path, match: str) -> None:
    with pytest.raises(BundleError, match=match) as caught:
        Detector.load(path, weights="random")
    assert len(str(caught.value).splitlines()) == 1


@pytest.mark.slow
def test_an_untouched_forgery_loads(model: Path) -> None:
    forge(model)
    forge_tensors(model, lambda tensors: None)
    Detector.load(model, weights="random")


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"method": "no_such_method"}, "no_such_method.*unknown here"),
        ({"method": 3}, "method"),
        ({"method": None}, "method"),
        ({"configuration": {"trim": "half"}}, "option trim"),
        ({"configuration": {"trim": 0.9}}, "option trim"),
        ({"configuration": {"speed": 1}}, "option speed"),
        ({"configuration": [1]}, "configuration"),
        ({"threshold": None}, "threshold"),
        ({"evidence": {}}, "n_source"),
        ({"evidence": {"n_source": "many"}}, "n_source"),
        ({"evidence": [1]}, "evidence"),
        ({"random_state": "x"}, "random_state"),
        ({"random_state": True}, "random_state"),
        ({"versions": {"torch": 2}}, "versions"),
        ({"surprise": 1}, "surprise"),
        ({"encoder": "toy"}, "encoder"),
    ],
)
def test_a_changed_header(model: Path, changes: dict[str, Any], match: str) -> None:
    forge(model, **changes)
    refused(model, match)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("value", None),
        ("value", "1.0"),
        ("false_alarm_rate", 0.0),
        ("false_alarm_rate", 1.0),
        ("origin", "moon"),
        ("requested_rate", 0.0),
        ("requested_rate", "0.1"),
        ("interval", None),
        ("interval", [0.1]),
        ("interval", [0.0, 1.5]),
        ("interval", [0.0, "0.1"]),
        ("rule", "guess"),
        ("scale", "cubic"),
        ("n_images", 0),
        ("n_images", 1.5),
        ("n_groups", 0),
        ("n_kept", 0),
    ],
)
def test_a_changed_threshold(model: Path, field: str, value: Any) -> None:
    forge(model, threshold=document(model)["threshold"] | {field: value})
    refused(model, f"threshold.{field}")


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_a_threshold_that_is_no_number(model: Path, value: float) -> None:
    forge(model, threshold=document(model)["threshold"] | {"value": value})
    refused(model, "not a finite number")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_source", None),
        ("n_target", 1.5),
        ("n_copies_across", "3"),
        ("n_groups", "x"),
        ("problems", [{"path": "x"}]),
        ("problems", 3),
        ("notes", [1]),
        ("threshold_origin", 7),
        ("contamination", [0.0, 0.1]),
        ("contamination", [0.0, "0.1", 0.2]),
        ("verdict", None),
        ("reasons", "because"),
        ("reasons", [1]),
        ("findings", {"shift_auroc": 0.5}),
        ("findings", 0.5),
        ("choices", {"local_weight": "half"}),
        ("choices", [0.5]),
    ],
)
def test_changed_evidence(model: Path, field: str, value: Any) -> None:
    forge(model, evidence=document(model)["evidence"] | {field: value})
    refused(model, field)


def test_an_unknown_encoder_or_another_preprocessing(model: Path) -> None:
    encoder = document(model)["encoder"]
    forge(model, encoder=encoder | {"fingerprint": "0" * 64})
    refused(model, "another preprocessing")
    forge(model, encoder=encoder | {"id": "no_such_encoder"})
    refused(model, "no_such_encoder")
    forge(model, encoder=encoder | {"weights_sha256": "x"})
    refused(model, "weights_sha256")


@pytest.mark.parametrize("other", [name for name in METHODS.ids() if name != "auto"])
def test_tensors_of_another_method(model: Path, other: str) -> None:
    forge(model, method=other, configuration={})
    refused(model, f"do not fit method {other}")


@pytest.mark.slow
def test_tensors_of_a_trained_method_under_a_simpler_name(
    make: Make, world: toy.World, tmp_path: Path
) -> None:
    path = tmp_path / "m"
    make("paper", options=QUICK).fit(world.source, world.pool).save(path)
    forge(path, method="frozen_source", configuration={})
    refused(path, "do not fit method frozen_source")


def _halve(tensors: dict[str, NDArray[Any]]) -> None:
    tensors["method.whole.mean"] = tensors["method.whole.mean"][:16]
    tensors["method.whole.basis"] = np.ascontiguousarray(tensors["method.whole.basis"][:, :16])


def _set(name: str, value: NDArray[Any]) -> Callable[[dict[str, NDArray[Any]]], None]:
    def change(tensors: dict[str, NDArray[Any]]) -> None:
        tensors[name] = value

    return change


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (_halve, "expected 32 dimensions"),
        (_set("method.whole.mean", np.zeros((1, toy.DIM))), "do not fit"),
        (_set("method.whole.scalars", np.zeros(3)), "do not fit"),
        (_set("method.whole.scale", np.array([0.0, 0.0])), "do not fit"),
        (_set("method.local.scale", np.array([0.0, np.inf])), "not finite"),
        (_set("method.local.maps", np.array([0.0, 1.0, 3.0, 2.0, 0.0])), "do not fit"),
        (_set("method.local.choices", np.zeros(2)), "do not fit"),
        (_set("method.weight", np.array([1.5])), "do not fit"),
        (_set("method.extra", np.zeros(3)), "do not fit"),
        (lambda tensors: tensors.pop("method.whole.mean"), "do not fit"),
        (lambda tensors: tensors.pop("method.local.maps"), "do not fit"),
        (lambda tensors: tensors.pop("calibration.scores"), "no calibration scores"),
        (lambda tensors: tensors.pop("calibration.weights"), "no calibration scores"),
        (_set("calibration.scores", np.zeros(0)), "no calibration scores"),
        (_set("calibration.scores", np.zeros((3, 2))), "no calibration scores"),
        (_set("calibration.scores", np.zeros(80, np.float32)), "no calibration scores"),
        (_set("calibration.scores", np.zeros(79)), "no calibration scores"),
        (_set("calibration.scores", np.arange(80.0)[::-1].copy()), "not sorted"),
        (_set("calibration.scores", np.full(80, np.nan)), "not finite"),
        (_set("calibration.scores", np.append(np.zeros(79), np.inf)), "not finite"),
        (_set("calibration.weights", np.ones((80, 1))), "no calibration scores"),
        (_set("calibration.weights", np.ones(80, np.int64)), "no calibration scores"),
        (_set("calibration.weights", np.zeros(80)), "not between 0 and 1"),
        (_set("calibration.weights", np.full(80, -1.0)), "not between 0 and 1"),
        (_set("calibration.weights", np.full(80, 1.01)), "not between 0 and 1"),
        (_set("calibration.weights", np.full(80, np.nan)), "not finite"),
        (_set("calibration.weights", np.full(80, 0.5)), "weights of 40 images"),
    ],
)
def test_changed_tensors(
    model: Path, change: Callable[[dict[str, NDArray[Any]]], None], match: str
) -> None:
    forge_tensors(model, change)
    refused(model, match)
