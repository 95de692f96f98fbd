"""``encoders``: the list, and ``encoders fetch``."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from twofold.cli.info import Json, table
from twofold.cli.output import command, print_json

__all__ = ["app"]

app = typer.Typer()


@app.callback(invoke_without_command=True)
@command
def encoders(context: typer.Context, as_json: Json = False) -> None:
    """List the encoders and whether their weights are on this machine; fetch weights."""
    context.obj = as_json
    if context.invoked_subcommand is not None:
        return
    from twofold.encoders.registry import ENCODERS  # noqa: PLC0415 - imports torch
    from twofold.encoders.weights import weights_available  # noqa: PLC0415

    rows: list[dict[str, Any]] = []
    for name in ENCODERS.ids():
        spec = ENCODERS.load(name)
        rows.append(
            {
                "id": name,
                "available": weights_available(spec),
                "feature_dim": spec.feature_dim,
                "input_size": spec.preprocessing.size,
                "licence": spec.licence,
                "summary": spec.summary,
            }
        )
    if as_json:
        print_json({"encoders": rows})
    else:
        table(
            ("encoder", "here", "features", "licence", "summary"),
            [
                (
                    r["id"],
                    "yes" if r["available"] else "no",
                    str(r["feature_dim"]),
                    r["licence"],
                    r["summary"],
                )
                for r in rows
            ],
        )


@app.command()
@command
def fetch(
    context: typer.Context,
    name: Annotated[str, typer.Argument(metavar="NAME", help="The encoder's id.")],
    source: Annotated[
        Path | None,
        typer.Option(
            "--from", metavar="PATH", help="File of weights, or folder with one; else the hub."
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Check weights and put them where NAME is loaded from."""
    from twofold.encoders.fetch import fetch_weights  # noqa: PLC0415 - imports torch

    fetched = asdict(fetch_weights(name, source))
    found = {key: str(value) for key, value in fetched.items() if value is not None}
    if as_json or context.obj:
        print_json(found)
    else:
        for key, value in found.items():
            typer.echo(f"{key:>12}  {value}")
