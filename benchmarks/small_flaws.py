"""Small flaws on circuit boards (DeepPCB), by ways of looking at patches.

Usage: python benchmarks/small_flaws.py --root FOLDER [--runs 3] [--first 0] [--only NAME ...]
       [--out FILE]

AUROC %, mean over random states / spread over them, for each direction; protocol `uda_inductive`,
10% anomalies in the pool. Markdown on stdout, rows as JSON lines in FILE. Labels choose the sets
and count the outcome; nothing else sees them.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import collected, direction, table

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.encoders.encoder import load_encoder
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.metrics import auroc

# Without a trial of made-up flaws: what is looked at is said here.
FAST: dict[str, Any] = {"effort": "fast"}
FREE: dict[str, Any] = FAST | {"locality": "local", "places": "none"}
AT_640: dict[str, Any] = {"image_size": 640, "neighbourhood": 1}
SYSTEMS: dict[str, tuple[str, dict[str, Any]]] = {
    "`auto`": ("auto", {}),
    "`auto` without a choice (`effort=fast`)": ("auto", FAST),
    "no places, 224 px, stride 16": ("auto", FREE | {"layers": (16,)}),
    "no places, 224 px, stride 8": ("auto", FREE | {"layers": (8,)}),
    "no places, 640 px, stride 16": ("auto", FREE | AT_640 | {"layers": (16,)}),
    "no places, 640 px, stride 8": ("auto", FREE | AT_640 | {"layers": (8,)}),
    "no places, 640 px alone, strides 8 and 16": ("auto", FREE | AT_640),
    "with whole images, 640 px, stride 16": (
        "auto",
        FAST | {"places": "none", "layers": (16,)} | AT_640,
    ),
    "places, 640 px": ("auto", FAST | {"locality": "local", "places": "each"} | AT_640),
    "`padim`, 640 px": ("padim", AT_640),
    "`patchcore`, 640 px": ("patchcore", AT_640),
    "`target_only`": ("target_only", {}),
    "`frozen_source`": ("frozen_source", {}),
}


def rows(
    bank: Bank, states: Sequence[int], only: Sequence[str] = tuple(SYSTEMS)
) -> Iterator[dict[str, Any]]:
    """Every cell, one system after the other."""
    encoder = load_encoder()
    (normal,) = bank.dataset.classes
    for label in only:
        name, options = SYSTEMS[label]
        method = METHODS.load(name)
        config = parse_config(method, options)
        for near, far in bank.dataset.directions:
            source, target = (bank.stock(place, encoder, config.outputs()) for place in (near, far))
            known = source.images.subset(source.domain.labels(normal) == 0)
            for run in states:
                split = uda_inductive(target.domain.labels(normal), random_state=run)
                pool = target.images.subset(split.pool)
                data = FitData(known, pool if "target_pool" in method.needs else None)
                fit = method(encoder, config).fit(data, random_state=run)
                scores = fit.model.score(target.images.subset(split.test))
                odd = split.test_labels == 1
                yield {
                    "direction": f"{near}->{far}",
                    "run": run,
                    "system": label,
                    "auroc": auroc(scores[~odd], scores[odd]),
                }


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """Means and spreads by system and direction."""
    directions = tuple(dict.fromkeys(row["direction"] for row in found))
    body = []
    for label in (label for label in SYSTEMS if any(row["system"] == label for row in found)):
        cells = [label]
        for where in directions:
            areas = [
                100 * row["auroc"]
                for row in found
                if (row["system"], row["direction"]) == (label, where)
            ]
            cells.append(f"{np.mean(areas):.1f} / {np.std(areas):.1f}")
        body.append(cells)
    print(table(["way of looking", *map(direction, directions)], body))


def main() -> None:
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of DeepPCB")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--first", type=int, default=0, help="the first random state")
    parser.add_argument("--only", nargs="+", default=list(SYSTEMS), choices=list(SYSTEMS))
    parser.add_argument("--out", type=Path, help="file of JSON lines")
    options = parser.parse_args()
    bank = Bank(DATASETS.load("pcb")(options.root), lambda what, done, n: None)
    states = range(options.first, options.first + options.runs)
    print_table(collected(rows(bank, states, options.only), options.out))


if __name__ == "__main__":
    main()
