"""``fit`` and ``evaluate``, and the options that commands share."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.destinations import check_model
from twofold.cli.devices import run_in_processes
from twofold.cli.on_ray import Address, EngineName, Workers, check_engine, connected
from twofold.cli.output import command, parse_options, print_json, progress_bar, say
from twofold.cli.seeing import seeing
from twofold.defaults import (
    DEFAULT_CALIBRATION,
    DEFAULT_ENCODER,
    DEFAULT_FALSE_ALARM_RATE,
    DEFAULT_METHOD,
    DEFAULT_RANDOM_STATE,
)
from twofold.launched import is_first_process, n_processes
from twofold.words import percent

if TYPE_CHECKING:
    from twofold.detector import Detector, DetectorProgress
    from twofold.tracking import FitRun

__all__ = [
    "LAST_STATE",
    "BitDepth",
    "EmbedWeights",
    "FalseAlarmRate",
    "Json",
    "Mask",
    "NoReferences",
    "Strict",
    "Weights",
    "as_input",
    "evaluate",
    "fit",
    "load_detector",
    "tell_fit",
]

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object on stdout.")]
Strict = Annotated[bool, typer.Option("--strict", help="Fail on the first unusable image.")]
BitDepth = Annotated[
    int | None,
    typer.Option(
        "--bit-depth",
        min=9,
        max=16,
        help="Bits of images that have more than 8.",
        show_default="found from the images",
    ),
]
Mask = Annotated[
    str | None,
    typer.Option(
        "--mask",
        help="Picture of what to look at, black where nothing counts; or a folder of such, "
        "called like the images.",
    ),
]
Weights = Annotated[
    str | None, typer.Option("--weights", help="Local file with the encoder's weights.")
]
FalseAlarmRate = Annotated[
    float | None,
    typer.Option(
        help="Decide at this share of false alarms.", show_default="the rate of the model"
    ),
]
EmbedWeights = Annotated[
    bool, typer.Option("--embed-weights", help="Put the encoder's weights into the model.")
]
NoReferences = Annotated[
    bool,
    typer.Option("--no-references", help="Keep no small pictures of presumed normals for reports."),
]
# What every generator behind a method takes as a seed.
LAST_STATE = 2**32 - 1


def as_input(images: Sequence[str]) -> str | list[str]:
    """What stands on a command line, as :func:`twofold.images.find_images` takes it."""
    return images[0] if len(images) == 1 else list(images)


@command
def fit(
    source: Annotated[str, typer.Option(help="Normal images: folder, glob or manifest.")],
    out: Annotated[str, typer.Option(help="Model folder to write.")],
    target: Annotated[
        str | None, typer.Option(help="Unlabelled target images; most methods need them.")
    ] = None,
    target_shots: Annotated[
        str | None, typer.Option(help="A few target images known to be normal (few-shot methods).")
    ] = None,
    source_anomalies: Annotated[
        str | None, typer.Option(help="Source images known to be anomalous (where an option asks).")
    ] = None,
    method: Annotated[str, typer.Option(help="See `twofold methods`.")] = DEFAULT_METHOD,
    encoder: Annotated[str, typer.Option(help="See `twofold encoders`.")] = DEFAULT_ENCODER,
    weights: Weights = None,
    selection_weights: Annotated[
        str | None,
        typer.Option(help="Local file with the weights of the encoder that psi names."),
    ] = None,
    false_alarm_rate: Annotated[
        float, typer.Option(help="Stated share of false alarms.")
    ] = DEFAULT_FALSE_ALARM_RATE,
    random_state: Annotated[
        int, typer.Option(min=0, max=LAST_STATE, help="Same state, same scores.")
    ] = DEFAULT_RANDOM_STATE,
    locality: Annotated[
        str | None, typer.Option(help="What `auto` looks at: global, local or both (default).")
    ] = None,
    option: Annotated[
        list[str] | None, typer.Option(help="Option of the method, NAME=VALUE; repeatable.")
    ] = None,
    groups: Annotated[
        str | None,
        typer.Option(
            help="Column of the target's manifest: images of one part, lot or video count as one."
        ),
    ] = None,
    calibration: Annotated[
        str,
        typer.Option(
            help="tail: leave out what lies surely beyond the normals of the pool; pool: nothing, "
            "so that the rate holds whatever normals look like."
        ),
    ] = DEFAULT_CALIBRATION,
    bit_depth: BitDepth = None,
    mask: Mask = None,
    devices: Annotated[
        int,
        typer.Option(
            min=1, help="Processes that train one network together, one a GPU where there are any."
        ),
    ] = 1,
    engine: EngineName = "local",
    address: Address = None,
    workers: Workers = None,
    mlflow: Annotated[
        str | None,
        typer.Option(
            help="Log the fit and the model as a run of this experiment of MLflow, which reads "
            "from MLFLOW_TRACKING_URI where it is."
        ),
    ] = None,
    embed_weights: EmbedWeights = False,
    no_references: NoReferences = False,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Fit a detector for the target and save it."""
    ray = check_engine(engine, {"--address": address is not None, "--workers": workers is not None})
    options = parse_options(option or [])
    if devices > 1 and n_processes() == 1:
        raise typer.Exit(run_in_processes(devices))
    check_model("--out", out)
    from twofold.detector import Detector  # noqa: PLC0415 - imports torch

    with _run_of(mlflow) as run, progress_bar() as progress:
        detector = Detector(
            method,
            encoder,
            false_alarm_rate,
            random_state,
            locality=locality,
            options=options,
            weights=weights,
            selection_weights=selection_weights,
            bit_depth=bit_depth,
            mask=mask,
            calibration=calibration,  # type: ignore[arg-type]
            strict=strict,
            progress=progress,
        )
        if ray:
            from twofold.cluster import fill_cache  # noqa: PLC0415 - slow to import

            with connected(address):
                fill_cache(detector, source, target, workers=workers, progress=progress)
        detector.fit(
            source,
            target,
            target_shots=target_shots,
            source_anomalies=source_anomalies,
            groups=groups,
        )
        if is_first_process():
            detector.save(out, embed_weights=embed_weights, references=not no_references)
        if run:
            run.log(detector, out)
    if is_first_process():
        tell_fit(detector, out, as_json=as_json, run=run)


def _run_of(experiment: str | None) -> AbstractContextManager[FitRun | None]:
    """Begun before the fit, so that a server that is not there is known at once."""
    if experiment is None or not is_first_process():
        return nullcontext()
    from twofold.tracking import tracked_fit  # noqa: PLC0415 - slow to import

    return tracked_fit(experiment)


def tell_fit(detector: Detector, out: str, *, as_json: bool, run: FitRun | None = None) -> None:
    """What was skipped, and what came out."""
    evidence, threshold = detector.evidence_, detector.threshold_
    for problem in evidence.problems:
        say(f"skipped {problem.path}: {problem.reason}")
    if as_json:
        print_json(
            {
                "model": out,
                "method": detector.method,
                "encoder": detector.encoder,
                "random_state": detector.random_state,
                "threshold": asdict(threshold),
                "evidence": asdict(evidence),
            }
            | ({} if run is None else {"mlflow": asdict(run)})
        )
        return
    typer.echo(f"verdict: {evidence.verdict}")
    typer.echo(
        f"{out}: {detector.method} fitted on {evidence.n_source} source and {evidence.n_target} "
        f"target images; threshold {threshold.value:.6g} for "
        f"{percent(threshold.false_alarm_rate)} false alarms, from {threshold.n_images} "
        f"{threshold.origin} images"
    )
    for line in seeing(evidence.choices, evidence.visible_flaws):
        typer.echo(line)
    if run is not None:
        typer.echo(f"run {run.run_id} of the MLflow experiment {run.experiment!r}")


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


def load_detector(
    model: str,
    weights: str | None,
    strict: bool,
    progress: DetectorProgress,
    mask: str | None = None,
) -> Detector:
    """A model that goes on with the options of a command."""
    from twofold.detector import Detector  # noqa: PLC0415 - imports torch

    detector = Detector.load(model, weights=weights)
    detector.strict, detector.progress = strict, progress
    return detector if mask is None else detector.set_mask(mask)
