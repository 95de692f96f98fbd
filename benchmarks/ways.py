"""Ways of looking by true AUROC and by made-up flaws, and the regret of the choice between them.

Usage: python benchmarks/ways.py DATASET [--root FOLDER] [--directions A:B ...] [--classes C ...]
       [--state 0] [--out FILE]

Each cell: AUROC of `auto` with places and of a bank without, how well each sees made-up flaws, and
what `auto` chooses of them. Labels choose the sets and count the outcome; nothing else sees them.
Markdown on stdout, rows as JSON lines in FILE, which is written anew.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import collected, direction, read_lines, table

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.encoders.encoder import load_encoder
from twofold.method_table import METHODS
from twofold.methods import Diagnostics, FitData, Method, parse_config
from twofold.metrics import auroc

WITH, WITHOUT = "with places", "without places"


def rows(
    bank: Bank, directions: Sequence[tuple[str, str]], classes: Sequence[str], state: int
) -> Iterator[dict[str, Any]]:
    """Every cell."""
    encoder, auto = load_encoder(), METHODS.load("auto")
    config = parse_config(auto, {})
    for near, far in directions:
        source, target = (bank.stock(place, encoder, config.outputs()) for place in (near, far))
        for name in classes:
            split = uda_inductive(target.domain.labels(name), random_state=state)
            known = source.images.subset(source.domain.labels(name) == 0)
            data = FitData(known, target.images.subset(split.pool))
            test, odd = target.images.subset(split.test), split.test_labels == 1

            def area(model: Method, test: Any = test, odd: Any = odd) -> float:
                scores = model.score(test)
                return float(auroc(scores[~odd], scores[odd]))

            def fitted(options: dict[str, Any], data: FitData = data) -> Any:
                return auto(encoder, parse_config(auto, options)).fit(data, random_state=state)

            chosen = fitted({})
            free = chosen.model.config.places == "none"
            alone = {"effort": "fast"} if free else {"places": "none", "locality": "local"}
            other = fitted(alone)
            areas = (area(chosen.model), area(other.model))
            separations = separation(chosen.diagnostics, free=free)
            yield {
                "dataset": bank.dataset.id,
                "direction": f"{near}->{far}",
                "class": name,
                "state": state,
                "n_target": len(split.pool),
                "place_share": place_share(chosen.diagnostics if not free else other.diagnostics),
                "separation": dict(zip((WITH, WITHOUT), separations, strict=True)),
                "auroc": dict(zip((WITH, WITHOUT), areas[::-1] if free else areas, strict=True)),
                "chosen": WITHOUT if free else WITH,
            }


def separation(found: Diagnostics, *, free: bool) -> tuple[float | None, float | None]:
    """With places and without; None where it was not asked for."""
    own, choices = found.choices.get("separation"), found.choices
    if free:
        return choices.get("separation_with_places"), own
    return own, choices.get("separation_without_places")


def place_share(found: Diagnostics) -> float:
    """R^2 of the place."""
    return float(found.choices["place_share"])


def regret(row: dict[str, Any]) -> float:
    """AUROC of the better way less that of the chosen one, in points."""
    areas = row["auroc"]
    return 100.0 * float(max(areas.values()) - areas[row["chosen"]])


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """A row each direction: means over its classes."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for row in found:
        name = f"{row['dataset']} {direction(row['direction'])}"
        groups.setdefault(name, []).append(row)
    body = []
    for name, own in groups.items():
        shares = [row["place_share"] for row in own]
        cells = [name, str(len(own)), f"{min(shares):.2f} to {max(shares):.2f}"]
        for way in (WITH, WITHOUT):
            known = [row["separation"][way] for row in own if row["separation"][way] is not None]
            cells.append(f"{np.mean(known):.2f} ({len(known)})" if known else "not asked")
        cells += [
            f"{100 * np.mean([row['auroc'][way] for row in own]):.1f}" for way in (WITH, WITHOUT)
        ]
        free = sum(row["chosen"] == WITHOUT for row in own)
        regrets = [regret(row) for row in own]
        body.append(
            [*cells, f"{free} of {len(own)}", f"{np.mean(regrets):.1f} / {max(regrets):.1f}"]
        )
    heads = ["data", "cells", "place explains", "separation with places (cells)", "without (cells)"]
    heads += ["AUROC with places", "without", "chosen without", "regret, mean / largest"]
    print(table(heads, body))


def main() -> None:
    """Run all, print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?", help="none: show the rows of FILE")
    parser.add_argument("--root", type=Path, help="folder of the dataset")
    parser.add_argument("--directions", nargs="+", help="A:B; all when left out")
    parser.add_argument("--classes", nargs="+", help="all when left out")
    parser.add_argument("--state", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file of JSON lines")
    given = parser.parse_args()
    if given.dataset is None:
        print_table(read_lines(given.out))
        return
    dataset = DATASETS.load(given.dataset)(given.root)
    asked = [tuple(text.split(":", 1)) for text in given.directions or ()]
    bank = Bank(dataset, lambda what, done, n: None)
    found = rows(bank, asked or dataset.directions, given.classes or dataset.classes, given.state)
    print_table(collected(found, given.out))


if __name__ == "__main__":
    main()
