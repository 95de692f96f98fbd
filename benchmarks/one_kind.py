"""Pools whose anomalies are all of one kind: each of another class, the same one for all.

Usage: python benchmarks/one_kind.py {pacs,office31} --root FOLDER [--runs 1] [--out FILE]

AUROC %, mean over the paper's directions, classes and runs, at growing shares of anomalies in the
pool: of `auto`, of its whole images alone and of the baselines that need no training, on the
target's other normals and the other images of that class. Anomalies of one kind lie together and
can pass for a part of the normals; by how many cells fall below 90 one sees where they do. Markdown
on stdout, rows as JSON lines in FILE. Labels choose the sets and count the outcome; nothing else
sees them.
"""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import collected, table
from numpy.typing import NDArray
from other_directions import OUTPUTS, SYSTEMS

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.encoders.encoder import load_encoder
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.metrics import auroc

SHARES = (0.05, 0.1, 0.2)
# The class that the anomalies are of, so many places further in the list.
_STEP = 2
# Large classes take long and say no more.
_MOST_NORMALS = 300
_LEAST_NORMALS = 15
LOW = 0.9


def drawn(
    normals: NDArray[np.intp], odd: NDArray[np.intp], share: float, run: int
) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_]] | None:
    """Rows of pool and test, and which of the latter are anomalous; None where there are too few.

    Half of the normals are in the pool, and at most half of the anomalies.
    """
    generator = np.random.default_rng(run)
    normals, odd = generator.permutation(normals), generator.permutation(odd)
    half = min(len(normals) // 2, _MOST_NORMALS)
    wanted = max(round(half * share / (1 - share)), 1)
    if half < _LEAST_NORMALS or wanted > len(odd) // 2:
        return None
    rest, beside = normals[half : 2 * half], odd[wanted:]
    anomalous = np.arange(len(rest) + len(beside)) >= len(rest)
    return np.r_[normals[:half], odd[:wanted]], np.r_[rest, beside], anomalous


def rows(bank: Bank, runs: int) -> Iterator[dict[str, Any]]:
    """Every direction, class and share."""
    dataset, encoder = bank.dataset, load_encoder()
    for near, far in dataset.directions:
        source, target = (bank.stock(name, encoder, OUTPUTS) for name in (near, far))
        each = itertools.product(range(runs), enumerate(dataset.classes), SHARES)
        for run, (place, normal), share in each:
            other = dataset.classes[(place + _STEP) % len(dataset.classes)]
            sets = drawn(
                np.flatnonzero(target.domain.labels(normal) == 0),
                np.flatnonzero(target.domain.labels(other) == 0),
                share,
                run,
            )
            if sets is None:
                continue
            pool, test, odd = sets
            known = source.images.subset(source.domain.labels(normal) == 0)
            far_pool, far_test = target.images.subset(pool), target.images.subset(test)
            for label, (name, options) in SYSTEMS.items():
                method = METHODS.load(name)
                data = FitData(known, far_pool if "target_pool" in method.needs else None)
                config = parse_config(method, options)
                scores = method(encoder, config).fit(data, random_state=run).model.score(far_test)
                yield {
                    "direction": f"{near}->{far}",
                    "class": normal,
                    "anomalies": other,
                    "share": share,
                    "run": run,
                    "system": label,
                    "auroc": auroc(scores[~odd], scores[odd]),
                }


def print_table(found: list[dict[str, Any]]) -> None:
    """Mean AUROC, and how many cells are below :data:`LOW`, by system and share."""

    def cell(system: str, share: float) -> str:
        values = [r["auroc"] for r in found if (r["system"], r["share"]) == (system, share)]
        low = sum(value < LOW for value in values)
        return f"{100 * np.mean(values):.1f} ({low} of {len(values)})"

    lines = [[system, *(cell(system, share) for share in SHARES)] for system in SYSTEMS]
    print(table(["method", *(f"{share:.0%} anomalies" for share in SHARES)], lines))


def main() -> None:
    """Run, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", choices=("pacs", "office31"))
    parser.add_argument("--root", type=Path, required=True)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    bank = Bank(DATASETS.load(options.dataset)(options.root), lambda what, done, n: None)
    print_table(collected(rows(bank, options.runs), options.out))


if __name__ == "__main__":
    main()
