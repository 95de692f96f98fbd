"""``drift``: whether images still come from the target that a model was fitted to."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.destinations import check_file
from twofold.cli.options import Json, Mask, Strict, Weights, as_input, load_detector
from twofold.cli.output import command, print_json, progress_bar, say
from twofold.defaults import DEFAULT_FALSE_WARNINGS
from twofold.errors import UsageError
from twofold.files import write_whole
from twofold.words import counted

if TYPE_CHECKING:
    from twofold.detector import Detector
    from twofold.drift import Drift, DriftMonitor
    from twofold.images import ImageInput

__all__ = ["drift"]

_PACES = {"sudden": "at once", "gradual": "little by little", "unclear": "how fast is not clear"}
ORDERS = ("name", "time")


@command
def drift(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    images: Annotated[
        list[str], typer.Argument(help="Folders, files, globs or manifests, the oldest first.")
    ],
    order: Annotated[
        str,
        typer.Option(help="name: as given, a folder by its names; time: by when files changed."),
    ] = "name",
    state: Annotated[
        str | None,
        typer.Option(help="File that keeps what was seen: the next call goes on with new images."),
    ] = None,
    false_warnings: Annotated[
        float | None,
        typer.Option(
            help="Probability of any warning, ever, on images like those of the fit.",
            show_default=f"{DEFAULT_FALSE_WARNINGS}, or that of the state",
        ),
    ] = None,
    picture: Annotated[
        str | None, typer.Option(help="PNG, SVG or PDF file of the evidence over time.")
    ] = None,
    weights: Weights = None,
    mask: Mask = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Look whether the domain has moved since the fit, and what to do about it."""
    if order not in ORDERS:
        raise UsageError(f"--order {order}: give name or time")
    if picture is not None:
        _check_picture(picture)
    check_file("--state", state)
    with progress_bar() as progress:
        detector = load_detector(model, weights, strict, progress, mask)
        monitor = _monitor(detector, false_warnings, state)
        given = as_input(images)
        found = detector.drift(_by_time(given) if order == "time" else given, monitor=monitor)
    document = monitor.document()
    if state is not None and document is not None:
        write_whole(Path(state), document)
    if picture is not None:
        _draw(monitor, Path(picture))
        say(f"{picture}: the evidence after each image")
    if as_json:
        print_json(asdict(found) | {"advice": found.advice()})
        return
    _tell(found)


def _monitor(detector: Detector, rate: float | None, state: str | None) -> DriftMonitor:
    """A new one, or the one that a file keeps."""
    if state is None:
        return detector.drift_monitor(rate)
    from twofold.drift import read_document  # noqa: PLC0415 - not by --help

    name = f"--state {state}"
    return detector.drift_monitor(rate, document=read_document(Path(state), name), name=name)


def _by_time(images: ImageInput) -> ImageInput:
    """The files, the one that was changed first in front."""
    from twofold.images import find_images  # noqa: PLC0415 - slow to import

    return find_images(images).by_time()


def _check_picture(picture: str) -> None:
    """Before the work."""
    from twofold.figures import picture_kind, require_matplotlib  # noqa: PLC0415 - not by --help

    check_file("--picture", picture)
    picture_kind(f"--picture {picture}")
    require_matplotlib()


def _draw(monitor: DriftMonitor, path: Path) -> None:
    from twofold.figures import file_axes, plot_drift  # noqa: PLC0415

    with file_axes(path) as axes:
        plot_drift(monitor, ax=axes)


def _tell(found: Drift) -> None:
    """In words."""
    from twofold.drift import KIND_WORDS  # noqa: PLC0415 - not by --help

    typer.echo(f"{counted(found.n_images, 'image')}: {KIND_WORDS[found.kind]}")
    for kind, warning in found.warnings.items():
        change = warning.change
        since = f"since image {change.since + 1:,}"
        if change.over:
            since += f" and over {counted(change.over, 'image')}"
        typer.echo(
            f"  {KIND_WORDS[kind]}: warned at image {warning.at:,}; {since}, {_PACES[change.pace]}"
        )
    for kind, value in found.p_values.items():
        if kind not in found.warnings:
            typer.echo(f"  {KIND_WORDS[kind]}: p = {value:.2g} by now, no warning")
    typer.echo(found.advice())
