"""What a table is before it is rendered, and the parts that several tables share."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from twofold.benchmark.tables.names import Wanted, wanted
from twofold.benchmark.tables.results import Results, Summary, System

__all__ = [
    "OURS",
    "PUBLISHED",
    "Cell",
    "Column",
    "Number",
    "Share",
    "Table",
    "average_rows",
    "class_cell",
    "columns_for",
    "further_columns",
    "setting_notes",
    "share",
    "versions_note",
    "with_texts",
]

OURS, PUBLISHED = "ours", "published"


@dataclass(frozen=True)
class Share:
    """A fraction; percent in Markdown."""

    value: float


@dataclass(frozen=True)
class Number:
    """A plain number with the digits that Markdown shows."""

    value: float
    digits: int = 1


Cell = str | int | Share | Number | None
"""None: there is no result. The empty text: nothing belongs here."""


@dataclass(frozen=True)
class Table:
    """A table with its notes; ``id`` names its files."""

    id: str
    title: str
    header: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        assert all(len(row) == len(self.header) for row in self.rows), self.id


@dataclass(frozen=True)
class Column:
    """A method in a table of the paper's shape: ours, printed, or both."""

    title: str
    wanted: Wanted
    printed: str | None = None
    systems: Mapping[str, System] | None = None
    """Our system of each dataset of the table that has one."""

    def system(self, dataset: str) -> System | None:
        """Our system in a dataset."""
        return (self.systems or {}).get(dataset)


def share(value: float | None) -> Cell:
    """A fraction as a cell; None stays None."""
    return None if value is None else Share(value)


def columns_for(
    results: Results, printed: Iterable[str], datasets: Iterable[str], *, keep_all: bool
) -> tuple[Column, ...]:
    """A column for each printed method, the empty ones only if ``keep_all``."""
    datasets = tuple(datasets)
    columns = []
    for method in printed:
        want = wanted(method)
        found = {d: system for d in datasets if (system := results.choose(d, want)) is not None}
        if found or keep_all:
            parts = (want.method, want.encoder, *(value for _, value in want.options))
            title = ", ".join(part for part in parts if part)
            columns.append(Column(title, want, method, found))
    return tuple(columns)


def further_columns(
    results: Results, dataset: str, columns: Sequence[Column], methods: frozenset[str] | None = None
) -> tuple[Column, ...]:
    """One column for each method of ours that ``columns`` leave out."""
    taken = {system for column in columns if (system := column.system(dataset)) is not None}
    shown = {system.method for system in taken}
    best: dict[str, System] = {}
    for system in results.of(dataset):
        # A frozen encoder of ours stands beside CLIP, though both are the same method.
        new = system.method not in shown or system.method == "frozen_source"
        if system not in taken and new and (methods is None or system.method in methods):
            before = best.setdefault(system.method, system)
            best[system.method] = max(before, system, key=lambda s: s.rank)
    return tuple(
        Column(system.name, Wanted(system.method), None, {dataset: system})
        for system in best.values()
    )


def with_texts(results: Results, dataset: str, columns: Sequence[Column]) -> tuple[Column, ...]:
    """``columns``, and one for each text that distances were taken to, after its encoder's."""
    best: dict[tuple[str | None, str], System] = {}
    for system in results.of(dataset):
        text = system.configuration.get("text")
        if system.method == "frozen_source" and text is not None:
            before = best.setdefault((system.encoder, text), system)
            best[system.encoder, text] = max(before, system, key=lambda s: s.rank)
    found = list(columns)
    for (encoder, text), system in best.items():
        title = f'frozen_source, {encoder or "?"}, distance to the text "{text}"'
        own = Column(title, Wanted("frozen_source", encoder), None, {dataset: system})
        beside = [i for i, column in enumerate(found) if column.wanted.encoder == encoder]
        found.insert(beside[-1] + 1 if beside else len(found), own)
    return tuple(found)


def class_cell(summary: Summary | None, name: str) -> Cell:
    """The mean over runs of a class, ``failed``, or None."""
    if summary is None:
        return None
    if name in summary.failed_classes:
        return "failed"
    return share(summary.class_means.get(name))


def average_rows(
    lead: tuple[Cell, ...], summaries: Sequence[Summary | None]
) -> list[tuple[Cell, ...]]:
    """Average, both spreads, interval and counts; a row each, a column for each summary."""

    def row(name: str, cells: Iterable[Cell]) -> tuple[Cell, ...]:
        return (*lead, name, OURS, *cells)

    def bound(summary: Summary | None, place: int) -> Cell:
        interval = summary.interval if summary else None
        return share(interval[place]) if interval else None

    there = [s for s in summaries if s is not None]
    rows = [
        row("average", [_average_cell(s) for s in summaries]),
        row("± over classes", [share(s.class_spread) if s else None for s in summaries]),
        row("± over runs", [share(s.run_spread) if s else None for s in summaries]),
        row("95% interval from", [bound(s, 0) for s in summaries]),
        row("95% interval to", [bound(s, 1) for s in summaries]),
    ]
    if any(s.n_failed for s in there):
        rows.append(row("failed cells", [s.n_failed if s else None for s in summaries]))
    if any(s.n_missing for s in there):
        rows.append(row("missing cells", [s.n_missing if s else None for s in summaries]))
    return rows


def _average_cell(summary: Summary | None) -> Cell:
    if summary is not None and summary.average is None and summary.n_failed:
        return "failed"
    return share(summary.average) if summary else None


def setting_notes(
    results: Results, datasets: Iterable[str], systems: Iterable[System | None]
) -> tuple[str, ...]:
    """Which rows were taken, and what made each system."""
    notes = [
        f"{dataset}: {results.setting(dataset)}."
        for dataset in dict.fromkeys(datasets)
        if dataset in results.datasets
    ]
    alike: dict[str, list[str]] = {}
    for system in dict.fromkeys(s for s in systems if s is not None):
        runs = [
            summary.n_runs
            for direction in results.directions(system.dataset)
            if (summary := results.get(system, direction)) is not None
        ]
        size = f" at {system.image_size} px" if system.image_size else ""
        preset = f", preset {system.preset}" if system.preset else ""
        n = f"{min(runs)}" if min(runs) == max(runs) else f"{min(runs)} to {max(runs)}"
        made = f"{system.dataset}: encoder {system.encoder or '?'}{size}{preset}, runs: {n}"
        shown = f"`{system.name}`" + ("" if system.bare else f" (as `{system.method}`)")
        alike.setdefault(made, []).append(shown)
    notes += [f"{made}: {', '.join(dict.fromkeys(names))}." for made, names in alike.items()]
    return (*notes, *versions_note(results, datasets))


def versions_note(results: Results, datasets: Iterable[str]) -> tuple[str, ...]:
    """The versions in the rows of some datasets, at most one line."""
    wanted_datasets = set(datasets)
    found: dict[str, dict[str, None]] = {}
    for row in results.rows:
        if row.dataset in wanted_datasets:
            for name, version in row.versions.items():
                found.setdefault(name, {})[version] = None
    if not found:
        return ()
    return ("Versions: " + ", ".join(f"{n} {' and '.join(v)}" for n, v in found.items()) + ".",)
