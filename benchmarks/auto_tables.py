"""The tables of docs/results.md, made of the rows beside it.

Usage: python benchmarks/auto_tables.py [FOLDER]

FOLDER (docs/results/auto) holds what `twofold bench` wrote (`pacs`, `elpv`, `sweep_pacs`,
`sweep_elpv`, `noshift`, `ablation`, each .jsonl). Markdown on stdout. A test holds the page to it.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from twofold.benchmark.tables.results import values_of
from twofold.benchmark.tables.rows import Row, read_rows
from twofold.benchmark.tables.statistics import average, spread_over_classes, spread_over_runs

Rows = Sequence[Row]
Key = tuple[str, str, int]
"""Direction, class and run."""

PACS = ("photo->art_painting", "photo->cartoon", "photo->sketch")
ELPV = ("mono->poly", "poly->mono")
SHARES = (0.0, 0.01, 0.05, 0.1, 0.2, 0.3, 0.4)
POOLS = (10, 20, 50, 100, None)
BASELINES = ("target_only", "frozen_source", "source_only")
SWEPT = ("auto both", "target_only", "frozen_source", "paper")
PACS_METHODS = ("auto both", "auto global", *BASELINES, "paper", "align_all", "oracle")
ELPV_METHODS = (
    "auto both",
    "auto global",
    "auto local",
    "padim pool",
    "patchcore pool",
    "padim source",
    "patchcore source",
    *BASELINES,
    "paper",
    "align_all",
    "oracle",
)
NAMES = {
    "auto both": "`auto`",
    "auto global": "`auto`, `locality=global`",
    "auto local": "`auto`, `locality=local`",
    "padim pool": "`padim` on the pool",
    "patchcore pool": "`patchcore` on the pool",
    "padim source": "`padim` on the source",
    "patchcore source": "`patchcore` on the source",
    "oracle": "`oracle` (labels)",
}
# Of the ablation; one change from the defaults each.
DEFAULTS = {
    "trim": 0.25,
    "source_weight": None,
    "local_weight": None,
    "neighbourhood": 3,
    "places": "each",
    "scales": 2,
}
CHANGES: tuple[tuple[str, Any], ...] = (
    *(("trim", value) for value in (0.0, 0.1, 0.4)),
    *(("source_weight", value) for value in (0.0, 0.3, 1.0)),
    ("local_weight", 0.5),
    *(("scales", value) for value in (1, 3)),
    *(("neighbourhood", value) for value in (1, 5)),
    ("places", "shared"),
)
# The classes of PACS that the ablation takes.
FEW = ("dog", "house", "person")


def read(path: Path) -> Rows:
    """The finished cells of a file."""
    return [row for row in read_rows(path) if row.status == "ok"]


def named(row: Row) -> str:
    """The method, and what it looks at or is fitted on."""
    for option in ("locality", "fit_on"):
        if option in row.configuration:
            return f"{row.method} {row.configuration[option]}"
    return row.method


def percent(value: float | None) -> str:
    """One figure of a cell."""
    return "-" if value is None else f"{100 * value:.1f}"


def area(rows: Rows) -> str:
    """Mean AUROC of one system in one direction and setting, in percent."""
    return percent(average(values_of(rows)))


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body))


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Rows of a file of JSON lines."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


def write_lines(path: Path | None, rows: Sequence[Mapping[str, Any]]) -> None:
    """Rows as JSON lines, where a file is wanted."""
    if path is not None:
        lines = (json.dumps(row, sort_keys=True) + "\n" for row in rows)
        path.write_text("".join(lines), encoding="utf-8")


def collected(found: Iterable[dict[str, Any]], path: Path | None) -> list[dict[str, Any]]:
    """All rows, told on stderr as they come, and written where a file is wanted."""
    rows = []
    for row in found:
        rows.append(row)
        print(*row.values(), file=sys.stderr)
    write_lines(path, rows)
    return rows


def shown(name: str) -> str:
    """A method as the page writes it."""
    return NAMES.get(name, f"`{name}`")


def direction(name: str) -> str:
    """Likewise a direction."""
    return name.replace("->", " to ").replace("_", " ")


def methods(rows: Rows, names: Sequence[str], directions: Sequence[str]) -> str:
    """Means, spread over classes (where there are some) / over runs."""
    body = []
    for name in names:
        cells = [shown(name)]
        for where in directions:
            values = values_of(r for r in rows if named(r) == name and r.direction == where)
            over = spread_over_classes(values)
            classes = "" if over is None else f" ± {percent(over)}"
            runs = percent(spread_over_runs(values))
            cells.append(f"{percent(average(values))}{classes} / {runs}")
        body.append(cells)
    return table(["method", *(direction(d).removeprefix("photo to ") for d in directions)], body)


def sweep(
    rows: Rows, directions: Sequence[str], field: str, values: Sequence[Any], head: Sequence[str]
) -> str:
    """Means by share or size; `auto` first."""
    body = []
    for where in directions:
        for name in SWEPT:
            mine = [r for r in rows if named(r) == name and r.direction == where]
            cells = [area([r for r in mine if getattr(r, field) == value]) for value in values]
            body.append([direction(where), shown(name), *cells])
    return table(["direction", "method", *head], body)


def sweeps(rows: Rows, directions: Sequence[str]) -> Iterator[str]:
    """By share of anomalies, by size of pools that reach the largest, and of all if more."""
    shares = [row for row in rows if row.pool_size is None]
    head = [f"{share:.0%}" for share in SHARES]
    yield sweep(shares, directions, "anomaly_share", SHARES, head)
    usual = [row for row in rows if row.anomaly_share == 0.1]
    reached = {(r.direction, r.normal_class) for r in usual if r.pool_size == POOLS[-2]}
    large = [row for row in usual if (row.direction, row.normal_class) in reached]
    yield sweep(large, directions, "pool_size", POOLS, [str(n or "all") for n in POOLS])
    if len(large) == len(usual):
        return
    few = (10, 20, None)
    yield sweep(usual, directions, "pool_size", few, [str(n or "all") for n in few])


def lost(
    cells: Mapping[Key, Mapping[str, float]], name: str, baselines: Sequence[str]
) -> tuple[str, dict[Key, str]]:
    """Where a system is more than a point below the best baseline, and which: how many, in words.

    Args:
        cells: AUROC in percent by system, of each cell.
        name: of the system.
        baselines: those of which each cell has at least one.
    """
    found = {}
    for key, areas in cells.items():
        best = max((other for other in baselines if other in areas), key=areas.__getitem__)
        if areas[name] < areas[best] - 1:
            found[key] = best
    return f"{len(found)} of {len(cells)} cells ({len(found) / len(cells):.1%})", found


def losses(rows: Rows) -> str:
    """Cells in which `auto` is more than a point below the best baseline."""
    cells: dict[Key, dict[str, float]] = {}
    for row in rows:
        assert row.auroc is not None
        areas = cells.setdefault((row.direction, row.normal_class, row.run), {})
        areas[named(row)] = 100 * row.auroc
    share, found = lost(cells, "auto both", BASELINES)
    told = [
        f"{direction(key[0]).removeprefix('photo to ')} {key[1]} run {key[2]} "
        f"({cells[key]['auto both']:.1f} against {cells[key][best]:.1f} of `{best}`)"
        for key, best in found.items()
    ]
    return f"{share}: {'; '.join(told)}" if told else share


def ablation(rows: Rows, usual: Mapping[str, Rows]) -> str:
    """Run 0, one change at a time; `usual` has the rows of the tables above by dataset."""
    few = [*usual["elpv"], *(row for row in usual["pacs"] if row.normal_class in FEW)]
    lines = [
        ("as it is", [row for row in few if named(row) == "auto both"]),
        ("whole images only", [row for row in few if named(row) == "auto global"]),
        ("patches only", [row for row in few if named(row) == "auto local"]),
    ]
    for option, value in CHANGES:
        wanted = (DEFAULTS | {option: value}).items()
        said = value if isinstance(value, str) else f"{value:g}"
        changed = [row for row in rows if wanted <= row.configuration.items()]
        lines.append((f"`{option}={said}`", changed))
    body = []
    for label, found in lines:
        first = [row for row in found if row.run == 0]
        cells = [label]
        for directions in (ELPV, PACS):
            areas = [area([r for r in first if r.direction == where]) for where in directions]
            cells.append("-" if "-" in areas else " / ".join(areas))
        body.append(cells)
    return table(["change", "elpv", "PACS"], body)


def pages(folder: Path) -> Iterator[tuple[str, str]]:
    """Title and text of everything that rows of `twofold bench` are needed for."""
    found = {path.stem: read(path) for path in folder.glob("*.jsonl")}
    yield "PACS", methods(found["pacs"], PACS_METHODS, PACS)
    yield "PACS, losses", losses(found["pacs"])
    names = ("auto both", "frozen_source", "target_only")
    apart = {name: [row for row in found["noshift"] if named(row) == name] for name in names}
    yield "no shift", ", ".join(f"{shown(name)} {area(rows)}" for name, rows in apart.items())
    yield "elpv", methods(found["elpv"], ELPV_METHODS, ELPV)
    yield "elpv, losses", losses(found["elpv"])
    for dataset, directions in (("elpv", ELPV), ("pacs", PACS)):
        for text in sweeps(found[f"sweep_{dataset}"], directions):
            yield f"sweep {dataset}", text
    yield "ablation", ablation(found["ablation"], found)


def main() -> None:
    """Print them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, nargs="?", default=Path("docs/results/auto"))
    for title, text in pages(parser.parse_args().folder):
        print(f"## {title}\n\n{text}\n")


if __name__ == "__main__":
    main()
