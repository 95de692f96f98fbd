"""``report``: a page that shows what a detector found in images."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from twofold.cli.destinations import check_file
from twofold.cli.options import FalseAlarmRate, Json, Mask, Strict, Weights, as_input, load_detector
from twofold.cli.output import command, print_json, progress_bar
from twofold.errors import TwofoldError

if TYPE_CHECKING:
    from twofold.report import ReportFile

__all__ = ["report"]


@command
def report(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    images: Annotated[list[str], typer.Argument(help="Folders, files, globs or manifests.")],
    out: Annotated[str, typer.Option(help="HTML file to write.")],
    labels: Annotated[
        str | None,
        typer.Option(help="Table with the columns image and label (0 or 1) to measure against."),
    ] = None,
    false_alarm_rate: FalseAlarmRate = None,
    weights: Weights = None,
    mask: Mask = None,
    strict: Strict = False,
    as_json: Json = False,
) -> None:
    """Score images and show them on a page: one file that needs no network."""
    check_file("--out", out)
    from twofold.report import check_labels, require_jinja, write_report  # noqa: PLC0415 - torch

    require_jinja()
    if labels is not None:
        check_labels(labels)
    with progress_bar() as progress:
        detector = load_detector(model, weights, strict, progress, mask)
        if false_alarm_rate is not None:
            detector.set_false_alarm_rate(false_alarm_rate)
        given = as_input(images)
        written = write_report(detector, given, out, labels=labels, model=model)
    _tell(model, out, written, as_json=as_json)
    if written.n_unusable == written.n_images:
        raise TwofoldError("none of the images can be used")


def _tell(model: str, out: str, written: ReportFile, *, as_json: bool) -> None:
    """What was written."""
    if as_json:
        print_json(
            {
                "model": model,
                "out": out,
                "n_images": written.n_images,
                "n_flagged": written.n_flagged,
                "n_unusable": written.n_unusable,
                "bytes": written.n_bytes,
            }
        )
    else:
        typer.echo(
            f"{out}: {written.n_images} images, {written.n_flagged} flagged, "
            f"{written.n_unusable} unusable ({written.n_bytes / 1e6:.1f} MB)"
        )
