"""The tables of docs/results.md, made of the rows beside it.

Usage: python benchmarks/auto_tables.py [FOLDER]

FOLDER (docs/results/auto) holds what `twofold bench` wrote (`pacs`, `elpv`, `sweep_pacs`,
`sweep_elpv`, `noshift`, `ablation`, each .jsonl) and what `trust.py` wrote (`trust_elpv.json`,
`trust_pacs.json`). Markdown on stdout. A test holds the page to it.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

Row = dict[str, Any]
Rows = list[Row]

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
    rows = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    return [row for row in rows if row["status"] == "ok"]


def named(row: Row) -> str:
    """The method, and what it looks at or is fitted on."""
    for option in ("locality", "fit_on"):
        if option in row["configuration"]:
            return f"{row['method']} {row['configuration'][option]}"
    return str(row["method"])


def area(rows: Rows) -> float:
    """Mean AUROC in percent."""
    return float(np.mean([100 * row["auroc"] for row in rows]))


def spread(rows: Rows, over: str) -> float:
    """Standard deviation of the means by class or by run, in percent."""
    values = {row[over] for row in rows}
    return float(np.std([area([r for r in rows if r[over] == value]) for value in values]))


def table(head: Sequence[str], body: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    return "\n".join(f"| {' | '.join(line)} |" for line in (head, ["---"] * len(head), *body))


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
            mine = [r for r in rows if named(r) == name and r["direction"] == where]
            many = len({row["class"] for row in mine}) > 1
            classes = f" ± {spread(mine, 'class'):.1f}" if many else ""
            cells.append(f"{area(mine):.1f}{classes} / {spread(mine, 'run'):.1f}")
        body.append(cells)
    return table(["method", *(direction(d).removeprefix("photo to ") for d in directions)], body)


def sweep(
    rows: Rows, directions: Sequence[str], field: str, values: Sequence[Any], head: Sequence[str]
) -> str:
    """Means by share or size; `auto` first."""
    body = []
    for where in directions:
        for name in SWEPT:
            mine = [r for r in rows if named(r) == name and r["direction"] == where]
            by_value = [[r for r in mine if r[field] == value] for value in values]
            cells = [f"{area(found):.1f}" if found else "-" for found in by_value]
            body.append([direction(where), shown(name), *cells])
    return table(["direction", "method", *head], body)


def sweeps(rows: Rows, directions: Sequence[str]) -> Iterator[str]:
    """By share of anomalies, by size of pools that reach the largest, and of all if more."""
    shares = [row for row in rows if row["pool_size"] is None]
    head = [f"{share:.0%}" for share in SHARES]
    yield sweep(shares, directions, "anomaly_share", SHARES, head)
    usual = [row for row in rows if row["anomaly_share"] == 0.1]
    reached = {(r["direction"], r["class"]) for r in usual if r["pool_size"] == POOLS[-2]}
    large = [row for row in usual if (row["direction"], row["class"]) in reached]
    yield sweep(large, directions, "pool_size", POOLS, [str(n or "all") for n in POOLS])
    if len(large) == len(usual):
        return
    few = (10, 20, None)
    yield sweep(usual, directions, "pool_size", few, [str(n or "all") for n in few])


def cell(row: Row) -> tuple[str, str, int]:
    """Direction, class and run."""
    return row["direction"], row["class"], row["run"]


def losses(rows: Rows) -> str:
    """Cells in which `auto` is more than a point below the best baseline."""
    found: dict[tuple[str, str, int], dict[str, float]] = {}
    for row in rows:
        found.setdefault(cell(row), {})[named(row)] = 100 * row["auroc"]
    lost = []
    for key, areas in found.items():
        best = max((name for name in BASELINES if name in areas), key=areas.__getitem__)
        if areas["auto both"] < areas[best] - 1:
            where = f"{direction(key[0]).removeprefix('photo to ')} {key[1]} run {key[2]}"
            lost.append(f"{where} ({areas['auto both']:.1f} against {areas[best]:.1f} of `{best}`)")
    share = f"{len(lost)} of {len(found)} cells ({len(lost) / len(found):.1%})"
    return f"{share}: {'; '.join(lost)}" if lost else share


def ablation(rows: Rows, usual: dict[str, Rows]) -> str:
    """Run 0, one change at a time; `usual` has the rows of the tables above by dataset."""

    def line(label: str, keep: Callable[[Row], bool], found: dict[str, Rows]) -> list[str]:
        cells = [label]
        for dataset, directions in (("elpv", ELPV), ("pacs", PACS)):
            mine = [
                [r for r in found[dataset] if r["direction"] == where and r["run"] == 0 and keep(r)]
                for where in directions
            ]
            cells.append(" / ".join(f"{area(m):.1f}" for m in mine) if all(mine) else "-")
        return cells

    few = {
        "elpv": usual["elpv"],
        "pacs": [row for row in usual["pacs"] if row["class"] in FEW],
    }
    body = [
        line("as it is", lambda row: named(row) == "auto both", few),
        line("whole images only", lambda row: named(row) == "auto global", few),
        line("patches only", lambda row: named(row) == "auto local", few),
    ]
    changed = {name: [row for row in rows if row["dataset"] == name] for name in few}
    for option, value in CHANGES:
        wanted = DEFAULTS | {option: value}
        body.append(
            line(
                f"`{option}={value:g}`" if option != "places" else f"`{option}={value}`",
                lambda row, wanted=wanted: all(  # type: ignore[misc]
                    row["configuration"][name] == want for name, want in wanted.items()
                ),
                changed,
            )
        )
    return table(["change", "elpv", "PACS"], body)


def pages(folder: Path) -> Iterator[tuple[str, str]]:
    """Title and text of everything that rows of `twofold bench` are needed for."""
    found = {path.stem: read(path) for path in folder.glob("*.jsonl")}
    yield "PACS", methods(found["pacs"], PACS_METHODS, PACS)
    yield "PACS, losses", losses(found["pacs"])
    names = ("auto both", "frozen_source", "target_only")
    apart = {name: [row for row in found["noshift"] if named(row) == name] for name in names}
    yield "no shift", ", ".join(f"{shown(name)} {area(rows):.1f}" for name, rows in apart.items())
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
