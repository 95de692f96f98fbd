"""``export``: a model as a graph for other software."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, cast

import typer

from twofold.cli.destinations import check_parents
from twofold.cli.options import Json, Weights, as_input, load_detector
from twofold.cli.output import command, print_json, progress_bar

if TYPE_CHECKING:
    from twofold.export import Exported, GraphFormat

__all__ = ["export"]


@command
def export(
    model: Annotated[str, typer.Argument(help="Model folder.")],
    out: Annotated[str, typer.Option(help="New folder, or an earlier export to replace.")],
    format: Annotated[  # noqa: A002 - the option's name
        str, typer.Option(help="Of the graph: onnx or openvino.")
    ] = "openvino",
    images: Annotated[
        list[str] | None,
        typer.Option(
            help="Images to compare graph and model on; may be given several times.",
            show_default="those of the fit's target",
        ),
    ] = None,
    weights: Weights = None,
    as_json: Json = False,
) -> None:
    """Write a model as a graph that runs without twofold, and measure that it says the same."""
    check_parents("--out", out)
    from twofold.export import check_export_folder, export_detector  # noqa: PLC0415 - torch

    check_export_folder(out)
    with progress_bar() as progress:
        detector = load_detector(model, weights, False, progress)
        given = None if images is None else as_input(images)
        done = export_detector(detector, out, format=cast("GraphFormat", format), images=given)
    _tell(model, format, done, as_json=as_json)


def _tell(model: str, kind: str, done: Exported, *, as_json: bool) -> None:
    """What was written, and how near it is."""
    parity = done.parity
    if as_json:
        print_json(
            {
                "model": model,
                "out": str(done.folder),
                "format": kind,
                "parity": asdict(parity),
                "compared_on": done.compared_on,
            }
        )
        return
    maps = "" if parity.map_difference is None else f", maps by {parity.map_difference:.1e}"
    typer.echo(
        f"{done.folder}: {parity.n_decisions} of {parity.n_images} decisions are the model's "
        f"({done.compared_on}); scores differ by at most {parity.score_difference:.1e} of "
        f"themselves{maps}"
    )
