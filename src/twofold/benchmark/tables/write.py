"""From a folder of results to files: Markdown, one CSV a table, and pictures."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from twofold.benchmark.results import RESULTS_FILE
from twofold.benchmark.tables.curves import figure4_table
from twofold.benchmark.tables.figures import draw_figures
from twofold.benchmark.tables.layout import Table
from twofold.benchmark.tables.markdown import to_csv, to_markdown
from twofold.benchmark.tables.paper_tables import PAPER_TABLES, paper_tables
from twofold.benchmark.tables.results import Results
from twofold.benchmark.tables.rows import Row, read_rows
from twofold.benchmark.tables.study_tables import study_tables
from twofold.errors import MissingExtraError, TwofoldError
from twofold.files import write_whole

__all__ = ["write_tables"]

_INTRODUCTION = """# Tables

AUROC and shares in percent; in the CSV files as fractions. `–` marks a cell without a result, \
`failed` one where every run failed.
"""  # noqa: RUF001 - the dash that the tables show


def write_tables(results_dir: Path, published: bool, out: Path | None = None) -> dict[str, Any]:
    """Write ``tables.md``, a CSV for each table and the figures, each whole or not at all.

    Args:
        results_dir: folder with ``results.jsonl``; with ``published`` it may be without.
        published: set the paper's numbers beside ours, and write all its tables.
        out: folder to write into; ``results_dir/tables`` if None.

    Returns:
        ``out``; ``tables`` and ``figures`` (file names); ``rows``, ``failed`` and ``missing``
        (cells); ``not_written`` (the paper's tables without any result of ours); ``averages`` (one
        entry each method and direction, fractions); ``notes`` (what the user should know).

    Raises:
        TwofoldError: there are no results, or they are damaged.
    """
    results = Results(_rows(results_dir, published))
    tables = _tables(results, published)
    out = results_dir / "tables" if out is None else out
    pictures, notes = _pictures(results, published)
    files = {f"{table.id}.csv": to_csv(table).encode() for table in tables} | pictures
    written = {table.id for table in tables}
    not_written = [name for name in (*PAPER_TABLES, "figure4") if name not in written]
    files["tables.md"] = _page(tables, sorted(pictures), not_written).encode()
    out.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        write_whole(out / name, content)
    return {
        "out": str(out),
        "tables": ["tables.md", *(f"{table.id}.csv" for table in tables)],
        "figures": sorted(pictures),
        "rows": len(results.rows),
        "failed": sum(row.status == "failed" for row in results.rows),
        "missing": sum(summary.n_missing for summary in results.summaries.values()),
        "not_written": not_written,
        "averages": _averages(results),
        "notes": notes,
    }


def _pictures(results: Results, published: bool) -> tuple[dict[str, bytes], list[str]]:
    """The figures' files; without the library that draws, none and what to do about it."""
    try:
        return draw_figures(results, with_published=published), []
    except MissingExtraError as error:
        return {}, [str(error)]


def _rows(results_dir: Path, published: bool) -> tuple[Row, ...]:
    path = results_dir / RESULTS_FILE
    if path.exists():
        return read_rows(path)
    if published:
        return ()
    raise TwofoldError(
        f"{path}: no such file; run `twofold bench` with --out {results_dir} first, "
        "or ask for --published"
    )


def _tables(results: Results, published: bool) -> list[Table]:
    figure4 = figure4_table(results, with_published=published)
    return [
        *paper_tables(results, with_published=published),
        *([figure4] if figure4.rows else []),
        *study_tables(results, with_published=published),
    ]


def _page(tables: Sequence[Table], pictures: Sequence[str], not_written: Sequence[str]) -> str:
    parts = [_INTRODUCTION, *(to_markdown(table) for table in tables)]
    shown = [name for name in pictures if name.endswith(".png")]
    if shown:
        parts.append("## Figures\n\n" + "\n".join(f"![{name}]({name})" for name in shown) + "\n")
    if not_written:
        parts.append(f"Without any result, and so not written: {', '.join(not_written)}.\n")
    return "\n".join(parts)


def _averages(results: Results) -> list[dict[str, Any]]:
    """The main averages, for the command's summary."""
    return [
        {
            "dataset": dataset,
            "direction": direction,
            "method": system.name,
            "auroc": summary.average,
            "spread_over_classes": summary.class_spread,
            "spread_over_runs": summary.run_spread,
            "interval": list(summary.interval) if summary.interval else None,
            "runs": summary.n_runs,
            "failed": summary.n_failed,
            "missing": summary.n_missing,
        }
        for dataset in results.datasets
        for direction in results.directions(dataset)
        for system in results.of(dataset)
        if (summary := results.get(system, direction)) is not None
    ]
