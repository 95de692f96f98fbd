"""``tables``: benchmark results as the paper's tables and figures."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from twofold.cli.destinations import check_folder
from twofold.cli.output import command, print_json, say

__all__ = ["tables"]


@command
def tables(
    results_dir: Annotated[
        str, typer.Argument(metavar="RESULTS_DIR", help="Folder that `twofold bench` wrote.")
    ],
    published: Annotated[
        bool, typer.Option("--published", help="Set the paper's numbers beside ours.")
    ] = False,
    out: Annotated[
        str | None, typer.Option(help="Folder to write into.", show_default="RESULTS_DIR/tables")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="Print one JSON object on stdout.")
    ] = False,
) -> None:
    """Write the paper's Tables 1-7 and Figure 4 from benchmark results."""
    check_folder("--out", out)
    from twofold.benchmark.tables import write_tables  # noqa: PLC0415 - imports scipy

    result = write_tables(Path(results_dir), published, None if out is None else Path(out))
    for note in result.pop("notes"):
        say(f"note: {note}")
    if as_json:
        print_json(result)
        return
    if result["averages"]:
        _print_averages(result["averages"])
    counts = ", ".join(f"{result[name]} {name}" for name in ("rows", "failed", "missing"))
    typer.echo(f"Cells: {counts}.")
    if result["not_written"]:
        typer.echo(f"No result, so not written: {', '.join(result['not_written'])}.")
    typer.echo(f"Written to {result['out']}: " + ", ".join(result["tables"] + result["figures"]))


def _print_averages(averages: list[dict[str, Any]]) -> None:
    """A row each method, a column each direction."""
    from rich.console import Console  # noqa: PLC0415 - slow to import
    from rich.markup import escape  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    places = list(dict.fromkeys((row["dataset"], row["direction"]) for row in averages))
    table = Table(
        *("method", *(escape(" ".join(place)) for place in places)),
        title="AUROC %, average over classes ± spread over runs",
    )
    methods: dict[str, dict[tuple[str, str], str]] = {}
    for row in averages:
        cell = methods.setdefault(row["method"], {})
        cell[row["dataset"], row["direction"]] = _in_percent(row)
    for method, cells in methods.items():
        table.add_row(escape(method), *(cells.get(place, "") for place in places))
    Console().print(table)


def _in_percent(row: dict[str, Any]) -> str:
    if row["auroc"] is None:
        return "failed"
    spread = row["spread_over_runs"]
    return f"{100 * row['auroc']:.1f}" + ("" if spread is None else f" ± {100 * spread:.1f}")
