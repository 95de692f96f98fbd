"""Systems against each other: paired differences, and where adaptation did harm."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

from twofold.benchmark.tables.names import NOT_ADAPTED, wanted
from twofold.benchmark.tables.published import published
from twofold.benchmark.tables.results import Results, System
from twofold.benchmark.tables.statistics import Paired, compare, holm

__all__ = [
    "BASELINES",
    "REFERENCES",
    "Harm",
    "Pair",
    "harm",
    "negative_transfer",
    "pairs",
    "printed_negative_transfer",
]

# Each system is compared with these where they were run: fewer questions, so a milder correction.
REFERENCES = ("auto", "paper")
BASELINES = ("source_only", "frozen_source")

Cells = Mapping[tuple[str, str, str], float]
"""{(dataset, direction, class): mean AUROC over runs}"""


@dataclass(frozen=True)
class Pair:
    """Two systems by name; ``p_holm`` is corrected over all pairs."""

    first: str
    second: str
    paired: Paired
    p_holm: float | None


@dataclass(frozen=True)
class Harm:
    """The cells where a system is below a baseline; ``n_cells`` is how many both have."""

    system: str
    baseline: str
    n_cells: int
    below: tuple[tuple[str, str, str], ...]


def _cells(results: Results, system: System) -> dict[tuple[str, str, str], float]:
    return {
        (system.dataset, direction, name): value
        for direction in results.directions(system.dataset)
        if (summary := results.get(system, direction)) is not None
        for name, value in summary.class_means.items()
    }


def pairs(results: Results) -> list[Pair]:
    """Each system against the references there are, or all pairs where there is none.

    A system is known by its name across datasets; only cells that both have are compared.
    """
    by_name: dict[str, dict[tuple[str, str, str], float]] = {}
    for dataset in results.datasets:
        for system in results.of(dataset):
            by_name.setdefault(system.name, {}).update(_cells(results, system))
    found: list[tuple[str, str, Paired]] = []
    for first, second in _wanted_pairs(results, list(by_name)):
        common = [cell for cell in by_name[first] if cell in by_name[second]]
        if common:
            values = ([by_name[name][cell] for cell in common] for name in (first, second))
            found.append((first, second, compare(*values)))
    corrected = holm([paired.p for _, _, paired in found])
    return [Pair(*pair, p) for pair, p in zip(found, corrected, strict=True)]


def _wanted_pairs(results: Results, names: Sequence[str]) -> list[tuple[str, str]]:
    chosen = {s.name: s.method for d in results.datasets for s in results.chosen(d)}
    references = [n for r in REFERENCES for n in names if chosen.get(n) == r]
    if not references:
        return list(combinations(names, 2))
    return [
        (reference, name)
        for place, reference in enumerate(references)
        for name in names
        if name != reference and name not in references[:place]
    ]


def harm(name: str, baseline: str, values: Cells, against: Cells) -> Harm:
    """The common cells where ``values`` are below ``against``."""
    common = [cell for cell in values if cell in against]
    below = tuple(cell for cell in common if values[cell] < against[cell])
    return Harm(name, baseline, len(common), below)


def negative_transfer(results: Results) -> list[Harm]:
    """Each adapted system, in each dataset, against the baselines with the same encoder."""
    found = []
    for dataset in results.datasets:
        for system in results.of(dataset):
            if system.method in NOT_ADAPTED:
                continue
            for method in BASELINES:
                baseline = _baseline(results, system, method)
                if baseline is not None:
                    cells = (_cells(results, s) for s in (system, baseline))
                    found.append(harm(system.name, baseline.name, *cells))
    return [entry for entry in found if entry.n_cells]


def _baseline(results: Results, system: System, method: str) -> System | None:
    """The method with the same encoder, best with the same image size and without options."""
    candidates = [
        other
        for other in results.of(system.dataset)
        if other.method == method and other.encoder == system.encoder
    ]
    return max(
        candidates,
        key=lambda other: (other.image_size == system.image_size, other.bare, other.n_ok),
        default=None,
    )


def printed_negative_transfer() -> list[Harm]:
    """The same for the per-class values of Tables 1 and 2, against their source-only column."""
    paper = published()
    directions = [d for name in ("table1a", "table1b", "table2") for d in paper.tables[name]]
    by_method: dict[str, dict[tuple[str, str, str], float]] = {}
    for direction in directions:
        for method, values in direction.per_class.items():
            cells = by_method.setdefault(method, {})
            cells.update(
                {(direction.dataset, direction.direction, c): v for c, v in values.items()}
            )
    baseline = by_method.pop("source_only")
    return [
        harm(wanted(method).method, "source_only", cells, baseline)
        for method, cells in by_method.items()
    ]
