"""``evaluate``: a detector on labelled images."""

from __future__ import annotations

import warnings
from typing import Annotated

import typer

from twofold.cli.options import FalseAlarmRate, Json, Mask, Strict, Weights, load_detector
from twofold.cli.output import command, print_json, progress_bar, say

__all__ = ["evaluate"]


@command
def evaluate(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    normal: Annotated[str, typer.Option(help="Images known to be normal.")],
    anomalous: Annotated[str, typer.Option(help="Images known to be anomalous.")],
    false_alarm_rate: FalseAlarmRate = None,
    weights: Weights = None,
    mask: Mask = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Measure a detector on labelled images: areas, error rates, decision counts."""
    with progress_bar() as progress:
        detector = load_detector(model, weights, strict, progress, mask)
        if false_alarm_rate is not None:
            with warnings.catch_warnings():
                # Said below, once.
                warnings.simplefilter("ignore", UserWarning)
                detector.set_false_alarm_rate(false_alarm_rate)
        scores = (detector.score(normal), detector.score(anomalous))
    from twofold.benchmark.evaluation import evaluate_scores  # noqa: PLC0415 - imports torch

    threshold = detector.threshold_
    figures = evaluate_scores(*scores) | {
        "threshold": threshold.value,
        "stated_false_alarm_rate": threshold.false_alarm_rate,
        "stated_interval": threshold.interval,
    }
    if threshold.note is not None:
        say(f"note: {threshold.note}")
    for note in dict.fromkeys(note for result in scores for note in result.notes):
        say(f"note: {note}")
    for problem in figures["problems"]:
        say(f"skipped {problem['image']}: {problem['reason']}")
    if as_json:
        print_json({"model": model, **figures})
        return
    typer.echo(f"{model}: {figures['n_normal']} normal, {figures['n_anomalous']} anomalous images")
    for name, label in (
        ("auroc", "AUROC"),
        ("ap", "average precision"),
        ("fpr95", "false alarms at 95% detection"),
        ("false_alarm_rate", "false alarms at the threshold"),
        ("detection_rate", "detections at the threshold"),
    ):
        low, high = figures[f"{name}_interval"]
        typer.echo(
            f"{label:>30} {100 * figures[name]:6.1f}%   (95%: {100 * low:.1f}-{100 * high:.1f})"
        )
