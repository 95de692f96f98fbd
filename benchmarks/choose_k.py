"""The dominant cluster and its negatives for a given and a chosen number of clusters, by labels.

Usage: python benchmarks/choose_k.py DATASET [--root FOLDER] [--domains D ...] [--classes C ...]
       [--selector kmeans] [--image-size 160] [--state 0] [--rivals] [--out FILE]

Each cell, a domain and a normal class: the K that was chosen, precision and recall of the dominant
part, the negatives and how many of them are normal, for K = 2, 5 and 10, for `n_clusters=auto` and
for `trimmed`; with --rivals also for the rules of cluster_rules.py. Labels draw the pool and count
the outcome; no selection sees them. Markdown on stdout, rows as JSON lines in FILE.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import collected, direction, read_lines, table
from cluster_rules import RULES, Array, Mask, Rule
from numpy.typing import NDArray

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.densities import unit_rows
from twofold.encoders.encoder import load_encoder
from twofold.selection import select

FIXED = (2, 5, 10)
CHOSEN, TRIMMED = "auto", "trimmed"
# They are among the fixed ones here, or are the rule itself.
SAME = ("parts put together", TRIMMED, "K = 2")


def ways(selector: str, *, rivals: bool) -> dict[str, Rule]:
    """What is compared, by name: K (1 for one mode) and the negatives of unit rows."""

    def selected(rows: Array, state: int, *, name: str, k: Any) -> tuple[int, Mask]:
        found = select(name, rows, n_clusters=k, random_state=state)
        return found.chosen or (1 if name == TRIMMED else k), ~found.dominant

    made: dict[str, Rule] = {
        f"K = {k}": partial(selected, name=selector, k=k) for k in (*FIXED, CHOSEN)
    }
    made[TRIMMED] = partial(selected, name=TRIMMED, k=1)
    return made | ({n: r for n, r in RULES.items() if n not in SAME} if rivals else {})


def rows(
    bank: Bank, domains: Sequence[str], classes: Sequence[str], given: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """Every cell and way."""
    encoder = load_encoder().at_size(given.image_size, given.image_size)
    compared = ways(given.selector, rivals=given.rivals)
    for domain in domains:
        target = bank.stock(domain, encoder, ("pooled",))
        for name in classes:
            split = uda_inductive(target.domain.labels(name), random_state=given.state)
            vectors = unit_rows(target.images.subset(split.pool)["pooled"])
            for way, rule in compared.items():
                if way.startswith("K = ") and way[4:].isdigit() and int(way[4:]) > len(vectors):
                    continue
                k, outside = rule(vectors, given.state)
                yield {
                    "dataset": bank.dataset.id,
                    "domain": domain,
                    "class": name,
                    "state": given.state,
                    "way": way,
                    "n": len(vectors),
                    "k": k,
                } | counted(outside, split.pool_labels == 0)


def counted(outside: Mask, normal: NDArray[np.bool_]) -> dict[str, Any]:
    """What the labels say of it."""
    negatives = int(outside.sum())
    return {
        "precision": float(normal[~outside].mean()),
        "recall": float((~outside & normal).sum() / max(normal.sum(), 1)),
        "negatives": negatives,
        "negatives_normal": float(normal[outside].mean()) if negatives else None,
    }


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """A row each domain and way: means over its classes."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for row in found:
        place = f"{row['dataset']} {direction(row['domain'])}"
        groups.setdefault((place, row["way"]), []).append(row)
    body = []
    for (place, way), own in groups.items():
        ks = [row["k"] for row in own]
        counts = [row["negatives"] for row in own]
        normal = sum(row["negatives"] * (row["negatives_normal"] or 0.0) for row in own)
        shares = [f"{100 * np.mean([row[n] for row in own]):.1f}" for n in ("precision", "recall")]
        kinds = ", ".join(f"{ks.count(k)} x {k}" for k in sorted(set(ks)))
        outside = f"{100 * normal / sum(counts):.0f}" if sum(counts) else "none"
        body.append([place, way, str(len(own)), kinds, *shares, str(sum(counts)), outside])
    heads = ["pools", "way", "classes", "K", "dominant precision, %", "recall, %"]
    print(table([*heads, "negatives, all classes", "of them normal, %"], body))


def main() -> None:
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", help="none: show the rows of FILE")
    parser.add_argument("--root", type=Path, help="folder of the dataset")
    parser.add_argument("--domains", nargs="+", help="all when left out")
    parser.add_argument("--classes", nargs="+", help="all when left out")
    parser.add_argument("--selector", choices=("kmeans", "gmm"), default="kmeans")
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--state", type=int, default=0)
    parser.add_argument("--rivals", action="store_true", help="also the rules of cluster_rules.py")
    parser.add_argument("--out", type=Path, help="file of JSON lines")
    given = parser.parse_args()
    if given.dataset is None:
        print_table(read_lines(given.out))
        return
    dataset = DATASETS.load(given.dataset)(given.root)
    targets = dict.fromkeys(target for _, target in dataset.directions)
    bank = Bank(dataset, lambda what, done, n: None)
    found = rows(bank, given.domains or list(targets), given.classes or dataset.classes, given)
    print_table(collected(found, given.out))


if __name__ == "__main__":
    main()
