"""The numbers the paper prints (arXiv 2502.21022), typed; fractions here, percent in the file."""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib import resources
from typing import Any

from twofold.benchmark.tables.names import class_name, dataset_of, direction_name

__all__ = ["AblationRow", "Direction", "Figure4", "Published", "published"]

_SHORT = {
    "table1a": "table1a_officehome",
    "table1b": "table1b_office31",
    "table2": "table2_visda",
    "table4": "table4_paradigms",
    "table5": "table5_pacs",
    "table6": "table6_alignment",
    "table7": "table7_clustering",
}


@dataclass(frozen=True)
class Direction:
    """What a table prints for one direction; AUROC as fractions, by the paper's method id."""

    dataset: str
    direction: str
    average: Mapping[str, float]
    spread: Mapping[str, float] = field(default_factory=dict)
    per_class: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    """{method: {class: value}}, classes by our names, in the printed order."""

    @property
    def classes(self) -> tuple[str, ...]:
        """The classes of the direction; empty where the table prints averages only."""
        return next((tuple(values) for values in self.per_class.values()), ())


@dataclass(frozen=True)
class AblationRow:
    """A row of Table 3; AUROC as fractions."""

    backbone: str
    parts: tuple[str, str, str]
    average: float
    spread: float


@dataclass(frozen=True)
class Figure4:
    """What the text says about Figure 4, whose points cannot be read."""

    dataset: str
    direction: str
    best_components: tuple[int, int]
    best_auroc: tuple[float, float]
    trend: str
    basis: str


@dataclass(frozen=True)
class Published:
    """Everything that is printed."""

    source: str
    tables: Mapping[str, tuple[Direction, ...]]
    titles: Mapping[str, str]
    paradigm: Mapping[str, str]
    ablation: tuple[AblationRow, ...]
    figure4: Figure4
    components: Mapping[str, Any]
    disagreements: tuple[Mapping[str, Any], ...]

    def methods(self, table: str) -> tuple[str, ...]:
        """The printed method ids of a table, in the printed order."""
        first = self.tables[table][0]
        return tuple(first.average)


@functools.cache
def published() -> Published:
    """Read the packaged numbers."""
    file = resources.files("twofold.benchmark.tables") / "published.json"
    content = json.loads(file.read_text(encoding="utf-8"))
    tables = content["tables"]
    titles = {short: tables[name]["about"] for short, name in _SHORT.items()}
    return Published(
        source=content["source"],
        tables={short: _directions(tables[name]) for short, name in _SHORT.items()},
        titles={**titles, "table3": tables["table3_ablation"]["about"]},
        paradigm=tables["table4_paradigms"]["paradigm"],
        ablation=tuple(_ablation(row) for row in tables["table3_ablation"]["rows"]),
        figure4=_figure4(content["figure4"]),
        components=tables["table7_clustering"]["components"],
        disagreements=tuple(content["cross_table_disagreements"]),
    )


def _fractions(values: Mapping[str, float]) -> dict[str, float]:
    return {name: value / 100 for name, value in values.items()}


def _directions(table: Mapping[str, Any]) -> tuple[Direction, ...]:
    found = []
    for name, content in table["directions"].items():
        dataset = dataset_of(name)
        classes = [class_name(dataset, printed) for printed in content.get("classes", [])]
        per_class = {
            method: _fractions(dict(zip(classes, values, strict=True)))
            for method, values in content.get("methods", {}).items()
        }
        average = _fractions(content["average"])
        spread = _fractions(content.get("std_over_classes", {}))
        found.append(Direction(dataset, direction_name(name), average, spread, per_class))
    return tuple(found)


def _ablation(row: Mapping[str, Any]) -> AblationRow:
    adaptation, clustering, clip = (
        "yes" if row[part] else "no" for part in ("adaptation", "clustering", "clip")
    )
    return AblationRow(
        row["backbone"],
        (adaptation, clustering, clip),
        row["average"] / 100,
        row["std_over_classes"] / 100,
    )


def _figure4(content: Mapping[str, Any]) -> Figure4:
    first, last = content["best_components_range"]
    low, high = content["best_auc_approx_range"]
    return Figure4(
        dataset=dataset_of(content["direction"]),
        direction=direction_name(content["direction"]),
        best_components=(first, last),
        best_auroc=(low / 100, high / 100),
        trend=content["trend"],
        basis=content["basis"],
    )
