"""The command table and its entry point; nothing here imports torch."""

from __future__ import annotations

import os
import sys
from typing import Annotated

import typer

from twofold import __version__
from twofold.cli import (
    bench,
    certify,
    check,
    demo,
    drift,
    embed,
    encoders,
    evaluate,
    export,
    fit,
    info,
    refit,
    report,
    review,
    score,
    serve,
    tables,
    watch,
)

__all__ = ["app", "main"]

app = typer.Typer(
    name="twofold",
    help="Two folders in (normal source, unlabelled target), one anomaly detector out.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print and exit.")
    ] = False,
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    del version, debug


app.command()(fit.fit)
app.command()(score.score)
app.command()(report.report)
app.command()(evaluate.evaluate)
app.command()(review.review)
app.command()(refit.refit)
app.command()(certify.certify)
app.command()(drift.drift)
app.command()(watch.watch)
app.command()(embed.embed)
app.command()(export.export)
app.command()(serve.serve)
app.command()(check.check)
app.command()(info.methods)
app.add_typer(encoders.app, name="encoders")
app.command()(info.doctor)
app.command()(bench.bench)
app.command()(tables.tables)
app.command()(demo.demo)


def main() -> None:
    """Entry point of the ``twofold`` command; ``--debug`` may stand anywhere."""
    arguments = sys.argv[1:]
    if "--debug" in arguments:
        os.environ["TWOFOLD_DEBUG"] = "1"
        arguments = [argument for argument in arguments if argument != "--debug"]
    app(args=arguments)
