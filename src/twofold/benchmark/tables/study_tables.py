"""What the paper does not print: all averages, pairs, negative transfer, selection, failures."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import numpy as np

from twofold.benchmark.tables.comparisons import (
    REFERENCES,
    Harm,
    negative_transfer,
    pairs,
    printed_negative_transfer,
)
from twofold.benchmark.tables.layout import (
    OURS,
    PUBLISHED,
    Cell,
    Number,
    Share,
    Table,
    class_cell,
    setting_notes,
    share,
    versions_note,
)
from twofold.benchmark.tables.paper_tables import SPREADS
from twofold.benchmark.tables.results import Results, Summary
from twofold.benchmark.tables.rows import Row

__all__ = ["DIAGNOSTICS", "diagnostic", "slug", "study_tables"]

_STATISTICS = ("average", "± over classes", "± over runs", "95% from", "95% to")
_COUNTS = ("runs", "failed cells", "missing cells")
DIAGNOSTICS = {
    "dominant_precision": "dominant precision",
    "dominant_recall": "dominant recall",
    "negatives_normal": "normals among negatives",
    "dominant_share": "dominant share",
}


def study_tables(results: Results, *, with_published: bool) -> list[Table]:
    """All tables beyond the paper's that have a row."""
    tables = [
        *(
            _per_class(results, dataset, direction)
            for dataset in results.datasets
            for direction in results.directions(dataset)
        ),
        _averages(results),
        _pairs(results),
        _negative_transfer(results, with_published),
        _selection(results),
        _timing(results),
        _failures(results),
    ]
    return [table for table in tables if table.rows]


def slug(text: str) -> str:
    """A name that can stand in a file's name."""
    return re.sub(r"[^A-Za-z0-9]+", "_", text.replace("->", "_to_")).strip("_").lower()


def _statistics(summary: Summary) -> tuple[Cell, ...]:
    low, high = summary.interval or (None, None)
    average = "failed" if summary.average is None else Share(summary.average)
    spreads = (share(summary.class_spread), share(summary.run_spread))
    return (average, *spreads, share(low), share(high))


def _counts(summary: Summary) -> tuple[Cell, ...]:
    return (summary.n_runs, summary.n_failed, summary.n_missing)


def _per_class(results: Results, dataset: str, direction: str) -> Table:
    """Every system of a direction, a row each, with all classes."""
    classes = results.classes(dataset, direction)
    rows: list[tuple[Cell, ...]] = []
    systems = []
    for system in results.of(dataset):
        summary = results.get(system, direction)
        if summary is not None:
            systems.append(system)
            cells = (class_cell(summary, name) for name in classes)
            rows.append((system.name, *cells, *_statistics(summary), *_counts(summary)))
    return Table(
        id=f"per_class_{slug(dataset)}_{slug(direction)}",
        title=f"Every method per class: {dataset}, {direction} (AUROC %)",
        header=("method", *classes, *_STATISTICS, *_COUNTS),
        rows=tuple(rows),
        notes=(SPREADS, *setting_notes(results, [dataset], systems)),
    )


def _averages(results: Results) -> Table:
    """Every average in every setting: what the sweeps are drawn from."""
    rows: list[tuple[Cell, ...]] = []
    for (system, direction, setting), summary in results.summaries.items():
        pool = "all" if setting.pool_size is None else setting.pool_size
        rows.append(
            (
                *(system.dataset, direction, setting.protocol, share(setting.anomaly_share), pool),
                *(system.name, *_statistics(summary)),
                *(share(summary.mean_of("ap")), share(summary.mean_of("fpr95"))),
                *(summary.n_ok, *_counts(summary)),
            )
        )
    where = ("dataset", "direction", "protocol", "anomaly share", "pool size", "method")
    return Table(
        id="averages",
        title="All averages over classes, in every setting (AUROC %)",
        header=(*where, *_STATISTICS, "average precision", "FPR at 95% TPR", "cells", *_COUNTS),
        rows=tuple(rows),
        notes=(
            SPREADS,
            "Average precision and FPR at 95% TPR: averages over classes.",
            "Missing cells: of all classes and runs that any method has in that direction and "
            "setting.",
            *versions_note(results, results.datasets),
        ),
    )


def _pairs(results: Results) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for pair in pairs(results):
        paired = pair.paired
        low, high = paired.interval or (None, None)
        p: tuple[Cell, Cell] = (paired.why_no_p, "")
        if paired.p is not None and pair.p_holm is not None:
            p = (Number(paired.p, 4), Number(pair.p_holm, 4))
        counts = (paired.n_cells, paired.wins, paired.losses)
        difference = (Share(paired.difference), share(low), share(high))
        rows.append((pair.first, pair.second, *difference, *p, *counts))
    return Table(
        id="pairs",
        title="Paired differences, first minus second (AUROC points)",
        header=(
            *("first", "second", "difference", "95% from", "95% to"),
            *("p", "p (Holm)", "cells", "wins", "losses"),
        ),
        rows=tuple(rows),
        notes=(
            f"Pairs with {' and '.join(REFERENCES)} where they were run, otherwise all. A cell is "
            "a dataset, direction and class (mean over runs) that both methods have.",
            "Interval: bootstrap over cells. p: Wilcoxon signed-rank, two-sided; (Holm): "
            "corrected over all pairs shown.",
            "Cells of one direction share images, so intervals and p are too optimistic.",
            *(f"{dataset}: {results.setting(dataset)}." for dataset in results.datasets),
        ),
    )


def _negative_transfer(results: Results, with_published: bool) -> Table:
    found = [(OURS, entry) for entry in negative_transfer(results)]
    if with_published:
        found += [(PUBLISHED, entry) for entry in printed_negative_transfer()]
    return Table(
        id="negative_transfer",
        title="Negative transfer: cells where adapting did harm",
        header=("result", "method", "baseline", "cells", "below", "where"),
        rows=tuple(
            (who, entry.system, entry.baseline, entry.n_cells, len(entry.below), _places(entry))
            for who, entry in found
        ),
        notes=(
            "A cell counts if the method's mean over runs is below the baseline's; the baseline "
            "has the same encoder. A difference may be chance.",
            *(("published: the per-class values of Tables 1 and 2.",) if with_published else ()),
            *(f"{dataset}: {results.setting(dataset)}." for dataset in results.datasets),
        ),
    )


def _places(entry: Harm) -> str:
    by_direction: dict[str, list[str]] = defaultdict(list)
    for dataset, direction, name in entry.below:
        by_direction[f"{dataset} {direction}"].append(name)
    return "; ".join(f"{place}: {', '.join(names)}" for place, names in by_direction.items())


def _selection(results: Results) -> Table:
    """What the selection of the dominant cluster caught, next to what came of it."""
    rows: list[tuple[Cell, ...]] = []
    for (system, direction, setting), summary in results.summaries.items():
        if setting == results.setting(system.dataset) and any(r.diagnostics for r in summary.rows):
            values = (share(diagnostic(summary.rows, name)) for name in DIAGNOSTICS)
            who = (system.dataset, direction, system.name, share(summary.average))
            chosen = diagnostic(summary.rows, "chosen_clusters")
            rows.append((*who, *values, None if chosen is None else Number(chosen)))
    return Table(
        id="selection",
        title="Selection of the dominant cluster, and AUROC (%)",
        header=("dataset", "direction", "method", "AUROC", *DIAGNOSTICS.values(), "K chosen"),
        rows=tuple(sorted(rows, key=lambda row: (str(row[0]), str(row[1])))),
        notes=(
            "Means over classes. Precision: normals in the dominant cluster; recall: share of the "
            "pool's normals that are in it; normals among negatives: share of the rest that is "
            "normal; dominant share: of the pool. They need labels and decide nothing. K chosen: "
            "with `n_clusters=auto`, 1 for one mode with its stragglers; it needs none.",
            *(f"{dataset}: {results.setting(dataset)}." for dataset in results.datasets),
        ),
    )


def diagnostic(rows: Iterable[Row], name: str) -> float | None:
    """The mean over classes of the means over runs of a diagnostic."""
    values: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        value = row.diagnostics.get(name)
        if row.status == "ok" and value is not None:
            values[row.normal_class].append(value)
    return float(np.mean([np.mean(v) for v in values.values()])) if values else None


def _timing(results: Results) -> Table:
    by_system: dict[tuple[str, str], list[float]] = defaultdict(list)
    for (system, _, _), summary in results.summaries.items():
        seconds = [r.seconds for r in summary.rows if r.status == "ok" and r.seconds is not None]
        by_system[system.dataset, system.name] += seconds
    return Table(
        id="timing",
        title="Seconds a cell",
        header=("dataset", "method", "cells", "median", "max"),
        rows=tuple(
            (*who, len(s), Number(float(np.median(s))), Number(max(s)))
            for who, s in by_system.items()
            if s
        ),
        notes=(
            "Cells that succeeded, in every setting; images already in the cache are not encoded "
            "again.",
        ),
    )


def _failures(results: Results) -> Table:
    where = ("dataset", "direction", "class", "method", "run", "protocol")
    return Table(
        id="failed",
        title="Failed cells",
        header=(*where, "anomaly share", "pool size", "error"),
        rows=tuple(
            (
                *(row.dataset, row.direction, row.normal_class, system.name, row.run),
                *(row.protocol, share(row.anomaly_share)),
                "all" if row.pool_size is None else row.pool_size,
                row.error or "no reason given",
            )
            for (system, _, _), summary in results.summaries.items()
            for row in summary.rows
            if row.status == "failed"
        ),
    )
