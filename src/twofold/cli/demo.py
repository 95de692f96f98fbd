"""``demo``: the main job on real data, in one command."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from twofold.cli.destinations import check_folder
from twofold.cli.output import command, print_json, progress_bar

__all__ = ["demo"]


@command
def demo(
    out: Annotated[
        str, typer.Option(help="Folder for scores, models, pictures and reports.")
    ] = "demo-out",
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Adapt a detector from one kind of solar cell to another, in both directions."""
    check_folder("--out", out)
    from twofold.benchmark.demo import run_demo  # noqa: PLC0415 - imports torch

    with progress_bar() as progress:
        result = run_demo(Path(out), progress)
    if as_json:
        print_json(result)
        return
    for direction, rows in result["directions"].items():
        _print_table(direction, rows)
    typer.echo(_in_words(result["directions"]))
    typer.echo("Written: " + ", ".join(result["files"]))
    typer.echo(f"{result['seconds']:.0f} seconds.")


def _print_table(direction: str, rows: dict[str, Any]) -> None:
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.table import Table  # noqa: PLC0415

    table = Table(
        "method",
        "AUROC %",
        "average precision %",
        "false alarms %",
        title=f"{direction}: mean ± spread of three random states; 5% false alarms asked",
    )
    for name, row in rows.items():
        label = f"{name} (labels)" if row["uses_labels"] else name
        cells = [
            f"{100 * row[metric]:.1f} ± {100 * row[f'{metric}_std']:.1f}"
            for metric in ("auroc", "ap", "false_alarm_rate")
        ]
        table.add_row(label, *cells)
    Console().print(table)


def _in_words(directions: dict[str, Any]) -> str:
    """Three plain sentences with the figures of this very run."""

    def span(method: str) -> str:
        return " and ".join(f"{100 * rows[method]['auroc']:.0f}" for rows in directions.values())

    alarms = " and ".join(
        f"{100 * rows['auto']['false_alarm_rate']:.0f}%" for rows in directions.values()
    )
    return (
        "A detector that only knows the source's cells ranks the target's defects at "
        f"{span('frozen_source')} (frozen) and {span('source_only')} (trained) AUROC %, "
        "where 50 is guessing. "
        f"With the unlabelled target pool beside it, one cell in ten of it defective, auto reaches "
        f"{span('auto')}, the paper's recipe {span('paper')} and the target alone "
        f"{span('target_only')}. "
        f"Asked for 5% false alarms without a single label, auto raised {alarms} on cells it had "
        "never seen."
    )
