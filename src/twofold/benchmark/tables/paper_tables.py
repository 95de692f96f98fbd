"""Tables 1 to 7 in the paper's shape: our results, and the printed ones if asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from twofold.benchmark.tables.layout import (
    OURS,
    PUBLISHED,
    Cell,
    Column,
    Share,
    Table,
    average_rows,
    class_cell,
    columns_for,
    further_columns,
    setting_notes,
    share,
    with_texts,
)
from twofold.benchmark.tables.names import ABLATION, wanted
from twofold.benchmark.tables.published import AblationRow, Direction, published
from twofold.benchmark.tables.results import Results, Summary, System

__all__ = ["PAPER_TABLES", "SPREADS", "paper_tables"]

PAPER_TABLES = ("table1a", "table1b", "table2", "table3", "table4", "table5", "table6", "table7")

SPREADS = (
    "± over classes: population standard deviation of the class means, as the paper prints. "
    "± over runs: the same of the runs' averages. Interval: bootstrap over classes and runs."
)


def paper_tables(results: Results, *, with_published: bool) -> list[Table]:
    """The tables that hold a result of ours or, with the published numbers, all of them."""
    made = []
    for name in PAPER_TABLES:
        if name == "table3":
            made.append(_ablation(results, with_published))
        elif name in ("table5", "table6", "table7"):
            made.append(_by_direction(results, name, with_published))
        else:
            made.append(_per_class(results, name, with_published))
    return [table for table in made if table.rows]


def _title(name: str) -> str:
    return f"Table {name.removeprefix('table')}: {published().titles[name]}"


def _per_class(results: Results, name: str, with_published: bool) -> Table:
    """Classes down, methods across (Tables 1, 2 and 4)."""
    paper = published()
    directions = paper.tables[name]
    dataset = directions[0].dataset
    columns = columns_for(results, paper.methods(name), [dataset], keep_all=with_published)
    only = frozenset({"frozen_source"}) if name == "table4" else None
    if name == "table4":
        columns = with_texts(results, dataset, columns)
    columns = (*columns, *further_columns(results, dataset, columns, only))
    rows: list[tuple[Cell, ...]] = []
    for direction in directions:
        rows += _class_rows(results, direction, columns, with_published)
        rows += _average_block(results, direction, direction.direction, columns, with_published)
    if name == "table4" and rows:
        paradigms = [paper.paradigm.get(c.printed or "", "pretrained encoder") for c in columns]
        rows.insert(0, ("", "paradigm", "", *paradigms))
    return Table(
        id=name,
        title=_title(name),
        header=("direction", "class", "result", *(column.title for column in columns)),
        rows=tuple(rows),
        notes=(
            SPREADS,
            *_published_notes(name, with_published),
            *setting_notes(results, [dataset], [column.system(dataset) for column in columns]),
        ),
    )


def _class_rows(
    results: Results, direction: Direction, columns: Sequence[Column], with_published: bool
) -> list[tuple[Cell, ...]]:
    """A row each class; what is printed stands below ours."""
    name = direction.direction
    ours = results.classes(direction.dataset, name)
    summaries = [results.get(column.system(direction.dataset), name) for column in columns]
    known = [c for c in direction.classes if with_published or c in ours]
    rows: list[tuple[Cell, ...]] = []
    for class_name in (*known, *(c for c in ours if c not in direction.classes)):
        if any(summaries):
            cells = [class_cell(summary, class_name) for summary in summaries]
            rows.append((name, class_name, OURS, *cells))
        if with_published and class_name in direction.classes:
            values = [direction.per_class.get(column.printed or "", {}) for column in columns]
            printed = [Share(v[class_name]) if class_name in v else "" for v in values]
            rows.append((name, class_name, PUBLISHED, *printed))
    return rows


def _average_block(
    results: Results,
    direction: Direction,
    shown: str,
    columns: Sequence[Column],
    with_published: bool,
) -> list[tuple[Cell, ...]]:
    """Averages, spreads, interval and counts; each printed row follows its row of ours."""
    place, name = direction.dataset, direction.direction
    summaries = [results.get(column.system(place), name) for column in columns]
    rows = average_rows((shown,), summaries) if any(summaries) else []
    if not with_published:
        return rows
    for quantity, values in (
        ("average", direction.average),
        ("± over classes", direction.spread),
    ):
        keys = [column.printed or "" for column in columns]
        printed = [Share(values[key]) if key in values else "" for key in keys]
        at = next((i + 1 for i, row in enumerate(rows) if row[1] == quantity), len(rows))
        if values:
            rows.insert(at, (shown, quantity, PUBLISHED, *printed))
    return rows


def _by_direction(results: Results, name: str, with_published: bool) -> Table:
    """Directions down, methods across (Tables 5, 6 and 7)."""
    paper = published()
    methods = paper.methods(name)
    directions = list(paper.tables[name])
    if name != "table5":
        directions += _further_directions(results, methods, directions)
    datasets = tuple(dict.fromkeys(direction.dataset for direction in directions))
    columns = columns_for(results, methods, datasets, keep_all=with_published)
    if name == "table5":
        columns = (*columns, *further_columns(results, datasets[0], columns))
    rows: list[tuple[Cell, ...]] = []
    for direction in directions:
        shown = _shown(direction.dataset, direction.direction)
        rows += _average_block(results, direction, shown, columns, with_published)
    systems = [column.system(dataset) for dataset in datasets for column in columns]
    return Table(
        id=name,
        title=_title(name),
        header=("direction", "quantity", "result", *(column.title for column in columns)),
        rows=tuple(rows),
        notes=(
            SPREADS,
            *_published_notes(name, with_published),
            *setting_notes(results, datasets, systems),
        ),
    )


def _shown(dataset: str, direction: str) -> str:
    return f"{dataset} {direction}"


def _further_directions(
    results: Results, methods: Sequence[str], directions: Sequence[Direction]
) -> list[Direction]:
    """Directions of ours that are not printed but have two or more of the compared variants."""
    printed = {(direction.dataset, direction.direction) for direction in directions}
    found = []
    variants = [method for method in methods if method != "source_only"]
    for dataset in results.datasets:
        columns = columns_for(results, variants, [dataset], keep_all=False)
        for name in results.directions(dataset):
            there = sum(results.get(column.system(dataset), name) is not None for column in columns)
            if there > 1 and (dataset, name) not in printed:
                found.append(Direction(dataset, name, average={}))
    return found


def _ablation(results: Results, with_published: bool) -> Table:
    """Backbones and parts down, quantities across (Table 3)."""
    paper = published()
    first = (paper.figure4.dataset, paper.figure4.direction)  # VisDA-2017, as Table 3
    places = dict.fromkeys([first, *((d, n) for d in results.datasets for n in _two(results, d))])
    rows: list[tuple[Cell, ...]] = []
    systems: list[System] = []
    for dataset, name in places:
        printed = paper.ablation if with_published and (dataset, name) == first else ()
        rows += _ablation_rows(results, dataset, name, printed, systems)
    quantities = ("average", "± over classes", "± over runs", "95% from", "95% to")
    parts = ("backbone", "adaptation", "clustering", "CLIP", "result")
    return Table(
        id="table3",
        title=_title("table3"),
        header=("direction", *parts, *quantities, "failed cells", "missing cells"),
        rows=tuple(rows),
        notes=(
            "No part: source_only. Adaptation: align_all. Clustering: paper with psi = self. "
            "CLIP: paper with psi = clip_vit_b32; `frozen encoder`: with psi = frozen.",
            SPREADS,
            *_published_notes("table3", with_published),
            *setting_notes(results, [system.dataset for system in systems], systems),
        ),
    )


def _two(results: Results, dataset: str) -> tuple[str, ...]:
    """The directions of a dataset if it has two or more rows of the ablation."""
    found = [want for want in ABLATION.values() if results.choose(dataset, want) is not None]
    return results.directions(dataset) if len(found) > 1 else ()


def _ablation_rows(
    results: Results,
    dataset: str,
    direction: str,
    printed: Sequence[AblationRow],
    systems: list[System],
) -> list[tuple[Cell, ...]]:
    """The rows of a direction; the systems they show are added to ``systems``."""
    encoders = [row.backbone for row in printed]
    encoders += [system.encoder or "" for system in results.of(dataset)]
    rows: list[tuple[Cell, ...]] = []
    for encoder in dict.fromkeys(encoders):
        for parts, want in ABLATION.items():
            lead = (_shown(dataset, direction), encoder, *parts)
            system = results.choose(dataset, replace(want, encoder=encoder))
            summary = results.get(system, direction)
            if system is not None and summary is not None:
                systems.append(system)
                rows.append((*lead, OURS, *_quantities(summary)))
            rows += [
                (*lead, PUBLISHED, Share(row.average), Share(row.spread), "", "", "", "", "")
                for row in printed
                if (row.backbone, row.parts) == (encoder, parts)
            ]
    return rows


def _quantities(summary: Summary) -> tuple[Cell, ...]:
    low, high = summary.interval or (None, None)
    average = "failed" if summary.average is None else Share(summary.average)
    spreads = (share(summary.class_spread), share(summary.run_spread))
    return (average, *spreads, share(low), share(high), summary.n_failed, summary.n_missing)


def _published_notes(name: str, with_published: bool) -> tuple[str, ...]:
    if not with_published:
        return ()
    paper = published()
    notes = [
        f"published: as printed in {paper.source}; it gives no ± over runs, and an empty cell is "
        "not printed there.",
        "setting of the paper: ResNet-50 trained whole, CLIP as psi, ten runs; how long, how, and "
        "with which pool is not stated. That of ours is in the lines below.",
    ]
    if name == "table7":
        visda, other = (paper.components["kmeans"][key] for key in ("cad->real", "other"))
        notes.append(f"published with K = {visda} on cad->real and {other} elsewhere.")
    names = {direction.direction for direction in paper.tables.get(name, ())}
    table = name.rstrip("ab")
    differing = []
    for entry in paper.disagreements:
        if entry["direction"] in names and table in entry["printed"]:
            quantity = {"std_over_classes": "± over classes"}.get(
                entry["quantity"], entry["quantity"]
            )
            values = ", ".join(f"{value:.2f} in {t}" for t, value in entry["printed"].items())
            what = f"{entry['direction']} {wanted(entry['method']).method} {quantity}"
            differing.append(f"{what}: {values}")
    if differing:
        notes.append(f"The paper's tables differ on {'; '.join(differing)}.")
    return tuple(notes)
