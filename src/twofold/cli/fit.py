"""``fit``: a detector for the target, saved."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.destinations import check_model
from twofold.cli.devices import run_in_processes
from twofold.cli.on_ray import Address, EngineName, Workers, check_engine, connected
from twofold.cli.options import (
    LAST_STATE,
    BitDepth,
    EmbedWeights,
    Json,
    Mask,
    NoReferences,
    Strict,
    Weights,
)
from twofold.cli.output import command, parse_options, print_json, progress_bar, say
from twofold.cli.seeing import seeing
from twofold.defaults import (
    DEFAULT_CALIBRATION,
    DEFAULT_ENCODER,
    DEFAULT_FALSE_ALARM_RATE,
    DEFAULT_METHOD,
    DEFAULT_RANDOM_STATE,
)
from twofold.errors import UsageError
from twofold.launched import is_first_process, n_processes
from twofold.words import percent

if TYPE_CHECKING:
    from twofold.detector import Detector
    from twofold.tracking import FitRun

__all__ = ["fit", "tell_fit"]


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
    if ray and max(devices, n_processes()) > 1:
        raise UsageError("--engine ray encodes for one process: leave it out with --devices")
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
