"""Scores of known normal and anomalous images as figures."""

from __future__ import annotations

from typing import Any

from twofold.detector import Scores
from twofold.errors import NotEnoughImagesError
from twofold.metrics import (
    Estimate,
    auroc,
    average_precision,
    bootstrap,
    fpr_at_tpr,
    proportion,
)

__all__ = ["evaluate_scores"]


def evaluate_scores(normal: Scores, anomalous: Scores) -> dict[str, Any]:
    """Areas and decision rates of a detector on labelled images.

    Args:
        normal: scores of images known to be normal.
        anomalous: scores of images known to be anomalous.

    Returns:
        ``auroc``, ``ap``, ``fpr95``, ``false_alarm_rate``, ``detection_rate`` as fractions, each
        with its 95% interval under ``<name>_interval``; ``n_normal``, ``n_anomalous``; decision
        counts; ``problems``, the unusable images.

    Raises:
        NotEnoughImagesError: no usable image on one side.
    """
    for name, side in (("normal", normal), ("anomalous", anomalous)):
        if not side.usable.any():
            raise NotEnoughImagesError(f"none of the {name} images can be used")
    low, high = normal.scores[normal.usable], anomalous.scores[anomalous.usable]
    alarms = int(normal.anomalous[normal.usable].sum())
    hits = int(anomalous.anomalous[anomalous.usable].sum())
    estimates = {
        "auroc": bootstrap(auroc, low, high),
        "ap": bootstrap(average_precision, low, high),
        "fpr95": bootstrap(fpr_at_tpr, low, high),
        "false_alarm_rate": proportion(alarms, len(low)),
        "detection_rate": proportion(hits, len(high)),
    }
    problems = normal.problems + anomalous.problems
    return {
        **_flat(estimates),
        "n_normal": len(low),
        "n_anomalous": len(high),
        "false_alarms": alarms,
        "detections": hits,
        "problems": [{"image": p.path, "reason": p.reason} for p in problems],
    }


def _flat(estimates: dict[str, Estimate]) -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, estimate in estimates.items():
        flat[name] = estimate.value
        flat[f"{name}_interval"] = [estimate.low, estimate.high]
    return flat
