"""Verdicts and realised false-alarm rates of `auto`, where the labels are known.

Usage: python benchmarks/trust.py [--root PACS] [--runs 3] [--out FOLDER]

Tables, as Markdown on stdout and as JSON in FOLDER:

- `verdicts`: what the evidence says of pairs whose answer is known: one class under a shift with
  10% anomalies (adapt), no shift, another class as the target (unrelated), 30%, 40% or half of the
  pool anomalous, 8 images; and for each kind the mean AUROC on its pool, by whether it is trusted.
- `false_alarms`: for 1, 5 and 10% asked, the share of held-out target normals above the threshold,
  over all cells, with a 95% Wilson interval (images of one cell share a threshold, so the interval
  is too narrow for a statement about other cells), the spread over cells and how many cells were
  refused for too few images.

Labels choose the sets and count the outcome; nothing else sees them.
"""

from __future__ import annotations

import argparse
import json
import sys
import warnings
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from twofold.benchmark.bank import Bank, no_shift_rows
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.metrics import auroc, proportion
from twofold.benchmark.protocol import uda_inductive
from twofold.detector.fitting import look_at
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import load_encoder
from twofold.errors import NotEnoughImagesError
from twofold.evidence import DO_NOT_TRUST
from twofold.methods import METHODS, FitData
from twofold.thresholds import fit_threshold, pool_contamination, upper_tail

RATES = (0.01, 0.05, 0.1)
AUTO = METHODS.load("auto")
OUTPUTS = AUTO.outputs(AUTO.Config())
# Beyond the quarter that the fit leaves out.
_TOO_MANY = (0.3, 0.4)
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
    pool_labels: NDArray[np.int64]
    test_normals: EncodedImages | None = None


def cases(bank: Bank, encoder: Any, runs: int) -> Iterator[Case]:
    """Every pair of a dataset."""
    dataset = bank.dataset
    for run in range(runs):
        for near, far in dataset.directions:
            source, target = (bank.stock(name, encoder, OUTPUTS) for name in (near, far))
            for index, normal in enumerate(dataset.classes):
                labels = target.domain.labels(normal)
                known = source.images.subset(source.domain.labels(normal) == 0)
                name = f"{near}->{far} {normal}"
                split = uda_inductive(labels, anomaly_share=0.1, random_state=run)
                pool = target.images.subset(split.pool)
                fresh = target.images.subset(split.test[split.test_labels == 0])
                yield Case("shift", name, run, known, pool, split.pool_labels, fresh)
                few = np.arange(8)
                yield Case("8 images", name, run, known, pool.subset(few), split.pool_labels[few])
                spoilt = {
                    f"{share:.0%}": uda_inductive(
                        labels, anomaly_share=share, random_state=run
                    ).pool
                    for share in _TOO_MANY
                } | {"half": _half_anomalous(labels, run)}
                for kind, rows in spoilt.items():
                    yield Case(kind, name, run, known, target.images.subset(rows), labels[rows])
                if len(dataset.classes) > 1:
                    other = dataset.classes[(index + _STEP) % len(dataset.classes)]
                    strange = source.images.subset(source.domain.labels(other) == 0)
                    yield Case(
                        "unrelated", f"{other}: {name}", run, strange, pool, split.pool_labels
                    )
        for near in dict.fromkeys(near for near, _ in dataset.directions):
            stock = bank.stock(near, encoder, OUTPUTS)
            for normal in dataset.classes:
                labels = stock.domain.labels(normal)
                first, second = no_shift_rows(labels, run)
                split = uda_inductive(labels[second], anomaly_share=0.1, random_state=run)
                yield Case(
                    "no shift",
                    f"{near} {normal}",
                    run,
                    stock.images.subset(first[labels[first] == 0]),
                    stock.images.subset(second[split.pool]),
                    split.pool_labels,
                    stock.images.subset(second[split.test[split.test_labels == 0]]),
                )


def _half_anomalous(labels: NDArray[np.int64], run: int) -> NDArray[np.intp]:
    """As many anomalies as normals: a pool that the protocol refuses, as it leaves no test set."""
    generator = np.random.default_rng(run)
    normals, odd = (generator.permutation(np.flatnonzero(labels == value)) for value in (0, 1))
    n = min(len(normals), len(odd)) // 2
    return np.concatenate([normals[:n], odd[:n]])


def outcome(case: Case, encoder: Any) -> dict[str, Any]:
    """Verdict, findings and realised rates of one pair."""
    method = AUTO(encoder)
    data = FitData(case.source, case.pool)
    method.fit(data, random_state=case.run)
    scores = method.reference(data, random_state=case.run).scores
    found = pool_contamination(scores, tail=upper_tail(scores), random_state=case.run)
    findings, verdict = look_at(
        case.source, case.pool, scores, found, false_alarm_rate=0.05, random_state=case.run
    )
    odd = case.pool_labels == 1
    row: dict[str, Any] = {
        "kind": case.kind,
        "name": case.name,
        "run": case.run,
        "verdict": verdict.verdict,
        "reasons": verdict.reasons,
        "contamination": [found.low, found.share, found.high],
        "true_contamination": float(odd.mean()),
        "pool_auroc": auroc(scores[~odd], scores[odd]) if 0 < odd.sum() < len(odd) else None,
        "findings": None if findings is None else _figures(asdict(findings)),
        "alarms": {},
    }
    if case.test_normals is not None:
        fresh = method.score(case.test_normals)
        for rate in RATES:
            try:
                threshold, _ = fit_threshold(scores, rate, "target", random_state=case.run)
            except NotEnoughImagesError:
                row["alarms"][str(rate)] = None
                continue
            alarms = int((fresh > threshold.value).sum())
            row["alarms"][str(rate)] = [alarms, len(fresh), threshold.rate_bound]
    return row


def _figures(findings: dict[str, Any]) -> dict[str, Any]:
    """Without names of files, which belong to one machine."""
    return {name: value for name, value in findings.items() if not name.endswith("_like_source")}


def print_verdicts(rows: list[dict[str, Any]]) -> None:
    """Counts of verdicts by kind of pair."""
    found = sorted({row["verdict"] for row in rows})
    print("| pair |", " | ".join(found), "|")
    print("| --- |", " | ".join("---" for _ in found), "|")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        mine = [row["verdict"] for row in rows if row["kind"] == kind]
        print(f"| {kind} |", " | ".join(str(mine.count(verdict)) for verdict in found), "|")


def print_areas(rows: list[dict[str, Any]]) -> None:
    """Mean AUROC of the scores on the pool itself, by kind of pair and by trust."""
    print("| pair | trusted | AUROC % | not trusted | AUROC % |")
    print("| --- | --- | --- | --- | --- |")
    for kind in dict.fromkeys(row["kind"] for row in rows):
        cells = [kind]
        for doubted in (False, True):
            areas = [
                100 * row["pool_auroc"]
                for row in rows
                if row["kind"] == kind
                and row["pool_auroc"] is not None
                and row["verdict"].startswith(DO_NOT_TRUST) == doubted
            ]
            cells += [str(len(areas)), f"{np.mean(areas):.1f}" if areas else "-"]
        print(f"| {' | '.join(cells)} |")


def print_alarms(rows: list[dict[str, Any]]) -> None:
    """Realised rates by direction."""
    print("| pair | asked | realised (95%) | spread over cells | bound | cells | refused |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    tested = [row for row in rows if row["alarms"]]
    for group in dict.fromkeys((row["kind"], row["name"].split(" ")[0]) for row in tested):
        for rate in RATES:
            cells = [
                row["alarms"][str(rate)]
                for row in tested
                if (row["kind"], row["name"].split(" ")[0]) == group
            ]
            held = [cell for cell in cells if cell is not None]
            if not held:
                print(f"| {' '.join(group)} | {rate:.0%} | - | - | - | 0 | {len(cells)} |")
                continue
            alarms, n = (sum(cell[i] for cell in held) for i in (0, 1))
            share = proportion(alarms, n)
            spread = np.std([cell[0] / cell[1] for cell in held])
            bound = np.mean([cell[2] for cell in held])
            print(
                f"| {' '.join(group)} | {rate:.0%} | {share.value:.1%} "
                f"({share.low:.1%}-{share.high:.1%}) | {spread:.1%} | {bound:.1%} "
                f"| {len(held)} | {len(cells) - len(held)} |"
            )


def main() -> None:
    """Run both datasets, or the one whose images are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", help="folder of PACS; without it elpv alone")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    encoder = load_encoder()
    for name in ("elpv", *(("pacs",) if options.root else ())):
        dataset = DATASETS.load(name)(Path(options.root) if name == "pacs" else None)
        bank = Bank(dataset, lambda what, done, n: None)
        rows = []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            for case in cases(bank, encoder, options.runs):
                rows.append(outcome(case, encoder))
                print(f"{name} {case.kind} {case.name}", file=sys.stderr)
        print(f"\n{name}\n")
        print_verdicts(rows)
        print()
        print_areas(rows)
        print()
        print_alarms(rows)
        if options.out is not None:
            options.out.mkdir(parents=True, exist_ok=True)
            path = options.out / f"trust_{name}.json"
            path.write_text(json.dumps(rows, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
