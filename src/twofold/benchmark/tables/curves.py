"""What the figures show: how AUROC changes with one option or with the pool; no drawing here."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from twofold.benchmark.tables.layout import (
    OURS,
    PUBLISHED,
    Cell,
    Share,
    Table,
    setting_notes,
    share,
)
from twofold.benchmark.tables.names import Wanted
from twofold.benchmark.tables.published import published
from twofold.benchmark.tables.results import Results, Summary, System

__all__ = [
    "ChosenComponents",
    "Line",
    "Point",
    "SelectionPoint",
    "Swept",
    "chosen_components",
    "component_curves",
    "figure4_table",
    "selection_points",
    "sweeps",
]

Swept = Literal["anomaly_share", "pool_size"]


@dataclass(frozen=True)
class Point:
    """AUROC (fraction) at ``x``; the spread is over runs, None with one run."""

    x: float
    y: float
    spread: float | None


@dataclass(frozen=True)
class Line:
    """Points in ascending x, of one system or family in one direction."""

    dataset: str
    direction: str
    name: str
    points: tuple[Point, ...]


@dataclass(frozen=True)
class ChosenComponents:
    """AUROC (fraction) where a rule chooses K for each cell; the spread as of a point.

    Attributes:
        counts: of each chosen K the cells, in ascending K; empty where the rows do not tell.
    """

    dataset: str
    direction: str
    y: float
    spread: float | None
    counts: tuple[tuple[int, int], ...]

    @property
    def mean(self) -> float | None:
        """Mean of the chosen K over cells."""
        cells = sum(count for _, count in self.counts)
        return sum(k * count for k, count in self.counts) / cells if cells else None

    def __str__(self) -> str:
        told = ", ".join(f"{k} in {count}" for k, count in self.counts)
        return f"auto: K is {told} of the cells" if told else "auto"


@dataclass(frozen=True)
class SelectionPoint:
    """One choice of selector, K and psi in one direction, and what came of it."""

    dataset: str
    direction: str
    selector: str
    psi: str
    n_clusters: int
    summary: Summary


def _family(
    results: Results, dataset: str, free: frozenset[str], *, auto: bool = False
) -> list[System]:
    """The paper's method in all variants that differ from its main one in ``free`` options only.

    Those of a given number of clusters, or those with a chosen one.
    """
    main = results.choose(dataset, Wanted("paper"))
    if main is None:
        return []

    def fixed(system: System) -> tuple[object, ...]:
        options = {k: v for k, v in system.configuration.items() if k not in free}
        return (system.method, system.encoder, system.image_size, system.preset, options)

    return [
        system
        for system in sorted(results.of(dataset), key=lambda s: -s.n_ok)
        if fixed(system) == fixed(main) and _has_k(system, auto)
    ]


def _has_k(system: System, auto: bool) -> bool:
    k = system.configuration.get("n_clusters")
    return k == "auto" if auto else isinstance(k, int)


def _kmeans(results: Results, dataset: str, *, auto: bool = False) -> list[System]:
    """The family over K of K-means, all else as in the main configuration."""
    family = _family(results, dataset, frozenset({"selector", "n_clusters"}), auto=auto)
    return [s for s in family if s.configuration.get("selector", "kmeans") == "kmeans"]


def _point(x: float, summary: Summary | None) -> Point | None:
    if summary is None or summary.average is None:
        return None
    return Point(x, summary.average, summary.run_spread)


def _line(dataset: str, direction: str, name: str, points: Iterable[Point | None]) -> Line:
    """A line through the points there are; of several at one x the first."""
    by_x: dict[float, Point] = {}
    for point in points:
        if point is not None:
            by_x.setdefault(point.x, point)
    return Line(dataset, direction, name, tuple(by_x[x] for x in sorted(by_x)))


def component_curves(results: Results) -> list[Line]:
    """Figure 4: the paper's method over K of K-means; a line each direction with two or more K.

    A direction where K was chosen too has its line from one K on.
    """
    chosen = {(entry.dataset, entry.direction) for entry in chosen_components(results)}
    lines = []
    for dataset in results.datasets:
        systems = _kmeans(results, dataset)
        for direction in results.directions(dataset):
            points = (
                _point(s.configuration["n_clusters"], results.get(s, direction)) for s in systems
            )
            line = _line(dataset, direction, "paper", points)
            least = 1 if (dataset, direction) in chosen else 2
            lines += [line] if len(line.points) >= least else []
    return lines


def chosen_components(results: Results) -> list[ChosenComponents]:
    """Figure 4 where ``n_clusters`` is "auto": an entry each direction."""
    found = []
    for dataset in results.datasets:
        for direction in results.directions(dataset):
            summaries = (
                results.get(system, direction) for system in _kmeans(results, dataset, auto=True)
            )
            summary = next((s for s in summaries if s is not None and s.average is not None), None)
            if summary is None or summary.average is None:
                continue
            told = [row.diagnostics.get("chosen_clusters") for row in summary.rows]
            counts = Counter(round(k) for k in told if k is not None)
            found.append(
                ChosenComponents(
                    dataset,
                    direction,
                    summary.average,
                    summary.run_spread,
                    tuple(sorted(counts.items())),
                )
            )
    return found


def figure4_table(results: Results, *, with_published: bool) -> Table:
    """The points of Figure 4; of the paper's only what its text says."""
    rows: list[tuple[Cell, ...]] = []
    notes: tuple[str, ...] = ("± over runs: population standard deviation of the runs' averages.",)
    lines = component_curves(results)
    for line in lines:
        place = f"{line.dataset} {line.direction}"
        rows += [
            (place, OURS, f"{point.x:g}", Share(point.y), share(point.spread))
            for point in line.points
        ]
    chosen = chosen_components(results)
    rows += [
        (f"{one.dataset} {one.direction}", OURS, str(one), Share(one.y), share(one.spread))
        for one in chosen
    ]
    if chosen:
        notes += ("auto: the rule chooses K for each cell; 1 is one mode with its stragglers.",)
    if with_published:
        printed = published().figure4
        place = f"{printed.dataset} {printed.direction}"
        best = "{} to {}".format(*printed.best_components)
        low, high = printed.best_auroc
        rows.append((place, PUBLISHED, f"{best}: about, from", Share(low), ""))
        rows.append((place, PUBLISHED, f"{best}: about, to", Share(high), ""))
        notes += (f"published: the best range of K. {printed.trend}. Basis: {printed.basis}.",)
    datasets = [line.dataset for line in lines] + [one.dataset for one in chosen]
    systems = [results.choose(dataset, Wanted("paper")) for dataset in datasets]
    return Table(
        id="figure4",
        title="Figure 4: effect of the number of K-means components (AUROC %)",
        header=("direction", "result", "components", "average", "± over runs"),
        rows=tuple(rows),
        notes=(*notes, *setting_notes(results, datasets, systems)),
    )


def selection_points(results: Results, dataset: str) -> list[SelectionPoint]:
    """The paper's method over selector, K and psi; empty with fewer than two variants."""
    family = _family(results, dataset, frozenset({"selector", "n_clusters", "psi"}))
    points: dict[tuple[str, str, str, int], SelectionPoint] = {}
    for system in family:
        options = system.configuration
        selector, psi = (str(options.get(name, "?")) for name in ("selector", "psi"))
        for direction in results.directions(dataset):
            summary = results.get(system, direction)
            key = (direction, selector, psi, options["n_clusters"])
            if summary is not None and summary.average is not None:
                points.setdefault(key, SelectionPoint(dataset, *key, summary))
    several = len({key[1:] for key in points}) > 1
    return [points[key] for key in sorted(points)] if several else []


def sweeps(results: Results, dataset: str, swept: Swept) -> list[Line]:
    """AUROC over the share of anomalies (fraction) or the number of images in the pool.

    One line each direction and method, the rest of the setting as in the main tables; empty unless
    some method has two or more values. A pool of all images stands at its mean size; nothing does
    there for a method that sees no pool.
    """
    main = results.setting(dataset)
    settings = [
        setting
        for setting in dict.fromkeys(setting for _, _, setting in results.summaries)
        if replace(setting, **{swept: getattr(main, swept)}) == main
    ]
    places = dict.fromkeys((d, s) for s, d, _ in results.summaries if s.dataset == dataset)
    lines = []
    for system in results.chosen(dataset):
        for direction in (d for d, s in places if s == system):
            found = (results.summaries.get((system, direction, s)) for s in settings)
            points = (
                _point(x, summary)
                for summary in found
                if summary is not None and (x := _place(summary, swept)) is not None
            )
            lines.append(_line(dataset, direction, system.name, points))
    return [line for line in lines if len(line.points) > 1]


def _place(summary: Summary, swept: Swept) -> float | None:
    setting = summary.rows[0].setting
    if swept == "anomaly_share":
        return setting.anomaly_share
    if setting.pool_size is not None:
        return setting.pool_size
    # A method that sees no pool has none.
    sizes = [row.n_target for row in summary.rows if row.n_target]
    return float(np.mean(sizes)) if sizes else None
