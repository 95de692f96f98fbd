"""Results as the tables need them: which systems there are, and a summary of each group of rows."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from twofold.benchmark.tables import statistics
from twofold.benchmark.tables.names import Wanted
from twofold.benchmark.tables.rows import Row, Setting

__all__ = ["Results", "Summary", "System", "values_of"]


@dataclass(frozen=True)
class System:
    """A method with its options, in one dataset; ``name`` is unique there and for the reader."""

    dataset: str
    name: str
    method: str
    label: str
    configuration_id: str
    encoder: str | None
    image_size: int | None
    preset: str | None
    configuration: Mapping[str, Any] = field(compare=False)  # a dictionary has no hash
    n_ok: int = 0

    @property
    def bare(self) -> bool:
        """Whether no option was set on top of the preset."""
        return self.label == self.method

    @property
    def rank(self) -> tuple[bool, int, int]:
        """Larger stands better for its method: no options set, most results, fewest options."""
        return (self.bare, self.n_ok, -self.label.count("="))


@dataclass(frozen=True)
class Summary:
    """One system in one direction and setting; fractions, None where there is no such figure."""

    rows: tuple[Row, ...]
    class_means: Mapping[str, float]
    failed_classes: frozenset[str]
    average: float | None
    class_spread: float | None
    run_spread: float | None
    interval: tuple[float, float] | None
    n_runs: int
    n_ok: int
    n_failed: int
    n_missing: int

    def mean_of(self, metric: str) -> float | None:
        """The average over classes of another metric of the rows (``ap``, ``fpr95``)."""
        return statistics.average(values_of(self.rows, metric))


class Results:
    """An index of rows; everything is in the order of first appearance."""

    def __init__(self, rows: Sequence[Row]) -> None:
        self.rows = tuple(rows)
        self.systems = _systems(self.rows)
        self._settings = _main_settings(self.rows)
        by_id = {(s.dataset, s.method, s.configuration_id): s for s in self.systems}
        groups: dict[tuple[System, str, Setting], list[Row]] = defaultdict(list)
        expected: dict[tuple[str, str, Setting], set[tuple[str, int]]] = defaultdict(set)
        classes: dict[tuple[str, str], dict[str, None]] = defaultdict(dict)
        for row in self.rows:
            system = by_id[row.dataset, row.method, row.configuration_id]
            groups[system, row.direction, row.setting].append(row)
            expected[row.dataset, row.direction, row.setting].add((row.normal_class, row.run))
            classes[row.dataset, row.direction][row.normal_class] = None
        self._classes = {place: tuple(sorted(names)) for place, names in classes.items()}
        self.summaries: dict[tuple[System, str, Setting], Summary] = {}
        for (system, direction, setting), members in groups.items():
            cells = expected[system.dataset, direction, setting]
            n_cells = len({name for name, _ in cells}) * len({run for _, run in cells})
            self.summaries[system, direction, setting] = _summary(members, n_cells)

    @property
    def datasets(self) -> tuple[str, ...]:
        """Datasets with any row."""
        return tuple(self._settings)

    def setting(self, dataset: str) -> Setting:
        """The setting with the most rows of a dataset: that of its main tables."""
        return self._settings[dataset]

    def directions(self, dataset: str) -> tuple[str, ...]:
        """The directions of a dataset with any row in its main setting."""
        return tuple(
            dict.fromkeys(
                direction
                for system, direction, setting in self.summaries
                if system.dataset == dataset and setting == self._settings[dataset]
            )
        )

    def classes(self, dataset: str, direction: str) -> tuple[str, ...]:
        """The normal classes of a direction, in alphabetical order."""
        return self._classes.get((dataset, direction), ())

    def of(self, dataset: str) -> tuple[System, ...]:
        """The systems of a dataset with any row in its main setting."""
        if dataset not in self._settings:
            return ()
        main = self._settings[dataset]
        there = {system for system, _, setting in self.summaries if setting == main}
        return tuple(s for s in self.systems if s.dataset == dataset and s in there)

    def get(self, system: System | None, direction: str) -> Summary | None:
        """A system's summary in the main setting, None where it has no row."""
        if system is None:
            return None
        return self.summaries.get((system, direction, self._settings[system.dataset]))

    def choose(self, dataset: str, wanted: Wanted) -> System | None:
        """The system a column stands for: the method without options if there is one.

        Otherwise, or among several of those, the one with most results; on a tie, that with the
        fewest options set. Before all that, one that the column prefers.
        """
        fitting = [
            system
            for system in self.of(dataset)
            if wanted.fits(system.method, system.encoder, system.configuration)
        ]
        return max(
            fitting,
            key=lambda s: (wanted.prefers(dataset, s.configuration), s.rank),
            default=None,
        )

    def chosen(self, dataset: str) -> tuple[System, ...]:
        """One system for each method of a dataset, as `choose` takes it."""
        methods = dict.fromkeys(system.method for system in self.of(dataset))
        found = (self.choose(dataset, Wanted(method)) for method in methods)
        return tuple(system for system in found if system is not None)


def values_of(rows: Iterable[Row], metric: str = "auroc") -> dict[str, dict[int, float]]:
    """{class: {run: value}} of the rows that have one."""
    values: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        value = getattr(row, metric)
        if row.status == "ok" and value is not None:
            values[row.normal_class][row.run] = value
    return dict(sorted(values.items()))


def _summary(rows: Sequence[Row], n_cells: int) -> Summary:
    values = values_of(rows)
    n_ok = sum(len(runs) for runs in values.values())
    failed = [row for row in rows if row.status == "failed"]
    return Summary(
        rows=tuple(rows),
        class_means=statistics.class_means(values),
        failed_classes=frozenset(row.normal_class for row in failed) - values.keys(),
        average=statistics.average(values),
        class_spread=statistics.spread_over_classes(values),
        run_spread=statistics.spread_over_runs(values),
        interval=statistics.bootstrap_average(values),
        n_runs=len({row.run for row in rows}),
        n_ok=n_ok,
        n_failed=len(failed),
        n_missing=n_cells - len(rows),
    )


def _main_settings(rows: Iterable[Row]) -> dict[str, Setting]:
    counts: dict[str, Counter[Setting]] = defaultdict(Counter)
    for row in rows:
        counts[row.dataset][row.setting] += 1
    return {dataset: counter.most_common(1)[0][0] for dataset, counter in counts.items()}


def _systems(rows: Iterable[Row]) -> tuple[System, ...]:
    first: dict[tuple[str, str, str], Row] = {}
    n_ok: Counter[tuple[str, str, str]] = Counter()
    for row in rows:
        key = (row.dataset, row.method, row.configuration_id)
        first.setdefault(key, row)
        n_ok[key] += row.status == "ok"
    names = _names(first.values())
    return tuple(
        System(
            dataset=row.dataset,
            name=names[key],
            method=row.method,
            label=row.label,
            configuration_id=row.configuration_id,
            encoder=row.encoder,
            image_size=row.image_size,
            preset=row.preset,
            configuration=row.configuration,
            n_ok=n_ok[key],
        )
        for key, row in first.items()
    )


def _names(rows: Iterable[Row]) -> dict[tuple[str, str, str], str]:
    """Labels, made unique within each dataset by what tells their rows apart.

    A label says only what the user set on top of the preset: the same one may stand for different
    encoders, sizes or presets. What is added somewhere is added everywhere, so that a name means
    the same in all datasets.
    """
    rows = list(rows)
    fields = ("encoder", "image_size", "preset")
    added: dict[str, set[str]] = defaultdict(set)
    alike: dict[tuple[str, str], list[Row]] = defaultdict(list)
    for row in rows:
        alike[row.dataset, row.label].append(row)
    for (_, label), members in alike.items():
        added[label] |= {f for f in fields if len({getattr(row, f) for row in members}) > 1}
    names = {}
    for row in rows:
        parts = [str(getattr(row, f)) for f in fields if f in added[row.label]]
        names[row.dataset, row.method, row.configuration_id] = row.label + (
            f" ({', '.join(parts)})" if parts else ""
        )
    count = Counter((dataset, name) for (dataset, _, _), name in names.items())
    return {
        key: name if count[key[0], name] == 1 else f"{name} #{key[2][:6]}"
        for key, name in names.items()
    }
