"""Scores of labelled images as figures."""

from __future__ import annotations

import json

import numpy as np
import pytest

from twofold.benchmark.evaluation import evaluate_scores
from twofold.detector import Scores
from twofold.errors import NotEnoughImagesError
from twofold.images import Problem


def scores(values: list[float], threshold: float = 2.0) -> Scores:
    array = np.array(values)
    flags = np.where(np.isnan(array), -1, array > threshold).astype(np.int64)
    names = tuple(f"{i}.png" for i in range(len(array)))
    bad = tuple(Problem(n, "empty file") for n, v in zip(names, array, strict=True) if np.isnan(v))
    return Scores(names, array, np.full(len(array), 50.0), flags, bad, np.full(len(array), 0.5))


def test_figures_leave_out_unusable_images() -> None:
    figures = evaluate_scores(scores([1, 3, float("nan"), 0]), scores([5, 1.5, float("nan")]))
    assert (figures["n_normal"], figures["n_anomalous"]) == (3, 2)
    assert (figures["false_alarms"], figures["detections"]) == (1, 1)
    assert figures["false_alarm_rate"] == 1 / 3
    assert figures["detection_rate"] == 1 / 2
    assert figures["auroc"] == 5 / 6
    assert figures["problems"] == [
        {"image": "2.png", "reason": "empty file"},
        {"image": "2.png", "reason": "empty file"},
    ]
    json.dumps(figures, allow_nan=False)


@pytest.mark.parametrize("side", [0, 1])
def test_a_side_without_usable_images_is_refused(side: int) -> None:
    pair = [scores([1.0]), scores([3.0])]
    pair[side] = scores([float("nan")])
    with pytest.raises(NotEnoughImagesError, match=("normal", "anomalous")[side]):
        evaluate_scores(*pair)
