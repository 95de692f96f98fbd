"""`auto` on directions that it was not tuned on, but for what docs/results.md says.

Usage: python benchmarks/other_directions.py {pacs,office31} --root FOLDER [--runs 3] [--first 0]
       [--out FILE]

Those of PACS that start from paintings, cartoons or sketches, or both of Office-31. AUROC %, mean
over classes and runs, of `auto` and its views beside the baselines that need no training; and in
how many cells each `auto` is more than a point below the best of them. Protocol `uda_inductive`,
10% anomalies. Markdown on stdout, rows as JSON lines in FILE. Labels choose the sets and count the
outcome; nothing else sees them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import Key, collected, direction, lost, table

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.encoders.encoder import load_encoder
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.metrics import auroc

SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "`auto`": ("auto", {}),
    "whole images only": ("auto", {"locality": "global"}),
    "`target_only`": ("target_only", {}),
    "`frozen_source`": ("frozen_source", {}),
}
BASELINES = ("`target_only`", "`frozen_source`")
# Constants of `auto` were chosen on its directions, those of the paper.
CHOSEN_ON = ("pacs",)
OUTPUTS = METHODS.load("auto").Config().outputs()


def rows(bank: Bank, states: Sequence[int]) -> Iterator[dict[str, Any]]:
    """Every cell of the directions that the other tables do not have."""
    dataset, encoder = bank.dataset, load_encoder()
    for near, far in itertools.permutations(dataset.domains, 2):
        if dataset.id in CHOSEN_ON and (near, far) in dataset.directions:
            continue
        source, target = (bank.stock(name, encoder, OUTPUTS) for name in (near, far))
        for run, normal in itertools.product(states, dataset.classes):
            known = source.images.subset(source.domain.labels(normal) == 0)
            split = uda_inductive(target.domain.labels(normal), random_state=run)
            pool = target.images.subset(split.pool)
            test, odd = target.images.subset(split.test), split.test_labels == 1
            for label, (name, options) in SYSTEMS.items():
                method = METHODS.load(name)
                data = FitData(known, pool if "target_pool" in method.needs else None)
                fit = method(encoder, parse_config(method, options)).fit(data, random_state=run)
                scores = fit.model.score(test)
                yield {
                    "direction": f"{near}->{far}",
                    "class": normal,
                    "run": run,
                    "system": label,
                    "auroc": auroc(scores[~odd], scores[odd]),
                }


def print_table(found: list[dict[str, Any]]) -> None:
    """Means by direction and system; then the cells lost to a baseline."""
    body = []
    for where in (*dict.fromkeys(row["direction"] for row in found), "mean"):
        mine = [row for row in found if where in (row["direction"], "mean")]
        means = [
            np.mean([100 * row["auroc"] for row in mine if row["system"] == label])
            for label in SYSTEMS
        ]
        body.append([direction(where), *(f"{mean:.1f}" for mean in means)])
    print(table(["direction", *SYSTEMS], body))
    cells: dict[Key, dict[str, float]] = {}
    for row in found:
        areas = cells.setdefault((row["direction"], row["class"], row["run"]), {})
        areas[row["system"]] = 100 * row["auroc"]
    for label in SYSTEMS:
        if label not in BASELINES:
            print(f"\n{label}: {lost(cells, label, BASELINES)[0]}")


def main() -> None:
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=("pacs", "office31"))
    parser.add_argument("--root", type=Path, required=True, help="its folder")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first random state")
    parser.add_argument("--out", type=Path, help="file of JSON lines")
    options = parser.parse_args()
    bank = Bank(DATASETS.load(options.dataset)(options.root), lambda what, done, n: None)
    print_table(
        collected(rows(bank, range(options.first, options.first + options.runs)), options.out)
    )


if __name__ == "__main__":
    main()
