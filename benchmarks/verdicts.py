"""What the evidence says of pairs whose answer is known, and the AUROC where it trusts.

Usage: python benchmarks/verdicts.py [--pacs FOLDER] [--office31 FOLDER] [--runs 3] [--out FOLDER]

For each dataset two tables, as Markdown on stdout and as JSON in FOLDER: how often each verdict was
given, and the mean AUROC of out-of-sample scores on the pool itself where the verdict trusts and
where it does not: of `auto` with `locality=global`, as the verdict is about whole images. Pairs:

- `shift`: one class under a shift, 10% anomalies; `20%` likewise; right: `adapt`;
- `10 images` to `60 images`: such a pool of so few, 10% anomalies; right: `adapt`;
- `8 images`: right: too few target images;
- `30%`, `40%`, `half`: so much of the pool is anomalous, of all other classes; from 40% on, right:
  do not trust;
- `unrelated`: another class as the source; `no shift`: halves of one domain.

Labels choose the sets and count the outcome; nothing else sees them. elpv needs no folder.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import table
from numpy.typing import NDArray

from twofold.benchmark.bank import Bank, Stock, no_shift_rows
from twofold.benchmark.datasets.registry import DATASETS
from twofold.densities import power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import load_encoder
from twofold.evidence import DO_NOT_TRUST, judge, study
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.metrics import auroc

AUTO = METHODS.load("auto")
CONFIG = parse_config(AUTO, {"locality": "global"})
OUTPUTS = CONFIG.outputs()
SHARES = {"shift": 0.1, "20%": 0.2, "30%": 0.3, "40%": 0.4, "half": 0.5}
SIZES = (8, 10, 19, 30, 60)
# Another class for each, at the same distance in the list: neither chosen nor random.
_STEP = 3


@dataclass(frozen=True)
class Case:
    """One pair of sets whose answer is known."""

    kind: str
    name: str
    run: int
    source: EncodedImages
    pool: EncodedImages
    labels: NDArray[np.int64]


def drawn(
    labels: NDArray[np.int64], share: float, run: int, size: int | None = None
) -> NDArray[np.intp] | None:
    """Half of the normals and anomalies up to a share, or a pool of a size; None if too few.

    Where there are too few anomalies for half of the normals, fewer of these are taken.
    """
    generator = np.random.default_rng(run)
    normals, odd = (generator.permutation(np.flatnonzero(labels == value)) for value in (0, 1))
    most = len(normals) // 2
    if size is None:
        wanted = max(round(most * share / (1 - share)), 1)
        n_odd = min(wanted, len(odd))
        n_normal = most if n_odd == wanted else round(n_odd * (1 - share) / share)
    else:
        n_odd = round(size * share)
        n_normal = size - n_odd
    if not 0 < n_normal <= most or n_odd > len(odd):
        return None
    return np.concatenate([normals[:n_normal], odd[:n_odd]])


def cases(bank: Bank, encoder: Any, runs: int) -> Iterator[Case]:
    """Every pair of a dataset."""
    dataset = bank.dataset
    for run in range(runs):
        for near, far in dataset.directions:
            source, target = (bank.stock(name, encoder, OUTPUTS) for name in (near, far))
            for normal in dataset.classes:
                yield from _under_shift(source, target, normal, dataset.classes, run)
        for near in dict.fromkeys(near for near, _ in dataset.directions):
            yield from _without_shift(bank.stock(near, encoder, OUTPUTS), dataset.classes, run)


def _under_shift(
    source: Stock, target: Stock, normal: str, classes: tuple[str, ...], run: int
) -> Iterator[Case]:
    labels = target.domain.labels(normal)
    known = source.images.subset(source.domain.labels(normal) == 0)
    name = f"{source.domain.name}->{target.domain.name} {normal}"
    pools = {kind: drawn(labels, share, run) for kind, share in SHARES.items()}
    pools |= {f"{size} images": drawn(labels, 0.1, run, size) for size in SIZES}
    for kind, rows in pools.items():
        if rows is not None:
            yield Case(kind, name, run, known, target.images.subset(rows), labels[rows])
    rows = pools["shift"]
    if len(classes) > 1 and rows is not None:
        other = classes[(classes.index(normal) + _STEP) % len(classes)]
        strange = source.images.subset(source.domain.labels(other) == 0)
        pool = target.images.subset(rows)
        yield Case("unrelated", f"{other}: {name}", run, strange, pool, labels[rows])


def _without_shift(stock: Stock, classes: tuple[str, ...], run: int) -> Iterator[Case]:
    for normal in classes:
        labels = stock.domain.labels(normal)
        first, second = no_shift_rows(labels, run)
        rows = drawn(labels[second], SHARES["shift"], run)
        if rows is not None:
            known = stock.images.subset(first[labels[first] == 0])
            pool, name = second[rows], f"{stock.domain.name} {normal}"
            yield Case("no shift", name, run, known, stock.images.subset(pool), labels[pool])


def outcome(case: Case, encoder: Any) -> dict[str, Any]:
    """Verdict, findings and AUROC of one pair."""
    method = AUTO(encoder, CONFIG)
    data = FitData(case.source, case.pool)
    scores = method.fit(data, random_state=case.run).out_of_sample.scores
    findings = study(
        power_normalise(case.source["pooled"]),
        power_normalise(case.pool["pooled"]),
        names=case.pool.names,
        adapted=scores,
        random_state=case.run,
    )
    verdict = judge(
        findings,
        n_source=len(case.source),
        n_target=len(case.pool),
        false_alarm_rate=0.05,
    )
    odd = case.labels == 1
    figures = {} if findings is None else asdict(findings)
    return {
        "kind": case.kind,
        "name": case.name,
        "run": case.run,
        "n": len(odd),
        "true_share": float(odd.mean()),
        "verdict": verdict.verdict,
        "reasons": verdict.reasons,
        "pool_auroc": auroc(scores[~odd], scores[odd]) if 0 < odd.sum() < len(odd) else None,
        # Names of files belong to one machine.
        "findings": {k: v for k, v in figures.items() if not k.endswith("_like_source")},
    }


def print_verdicts(rows: list[dict[str, Any]]) -> None:
    """Counts of verdicts by kind of pair."""
    found = sorted({row["verdict"] for row in rows})
    body = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row["verdict"] for row in rows if row["kind"] == kind]
        body.append([kind, *(str(mine.count(verdict)) for verdict in found)])
    print(table(["pair", *found], body))


def print_areas(rows: list[dict[str, Any]]) -> None:
    """Mean AUROC of the scores on the pool itself, by kind of pair and by trust."""
    body = []
    for kind in dict.fromkeys(row["kind"] for row in rows):
        cells = [kind]
        for doubted in (False, True):
            mine = [
                row["pool_auroc"]
                for row in rows
                if row["kind"] == kind and row["verdict"].startswith(DO_NOT_TRUST) == doubted
            ]
            areas = [100 * area for area in mine if area is not None]
            cells += [str(len(mine)), f"{np.mean(areas):.1f}" if areas else "-"]
        body.append(cells)
    print(table(["pair", "trusted", "AUROC %", "not trusted", "AUROC %"], body))


def report(name: str, rows: list[dict[str, Any]], out: Path | None) -> None:
    """Both tables of a dataset, and its rows in a file."""
    print(f"\n{name}\n")
    print_verdicts(rows)
    print()
    print_areas(rows)
    if out is not None:
        out.mkdir(parents=True, exist_ok=True)
        text = json.dumps(rows, indent=1) + "\n"
        (out / f"verdicts_{name}.json").write_text(text, encoding="utf-8")


def main() -> None:
    """Run elpv, and the datasets whose folders are given."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pacs", type=Path, help="folder of PACS")
    parser.add_argument("--office31", type=Path, help="folder of Office-31")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    encoder = load_encoder()
    given = {"elpv": None, "office31": options.office31, "pacs": options.pacs}
    for name, root in given.items():
        if root is None and name != "elpv":
            continue
        rows = []
        for case in cases(
            Bank(DATASETS.load(name)(root), lambda what, done, n: None), encoder, options.runs
        ):
            rows.append(outcome(case, encoder))
            print(f"{name} {case.kind} {case.name}", file=sys.stderr)
        report(name, rows, options.out)


if __name__ == "__main__":
    main()
