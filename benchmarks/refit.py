"""What marks are worth to `auto`: AUROC on untouched test images after a refit.

Usage: python benchmarks/refit.py DATASET [--root FOLDER] [--cells NEAR:FAR:CLASS ...]
       [--runs 2] [--counts 5 10 20 40 80] [--out FILE]
       python benchmarks/refit.py --table FILE ...

DATASET is a name of `twofold bench`. Labels of the pool are the reviewer. Three reviewers: one who
is asked by the design of `twofold review`, one who is asked for random images, and one who is asked
by the design and errs in 2% of the marks. Rows as JSON lines in FILE, which a second start goes on
with; `--table` makes the markdown of such files. Protocol `uda_inductive`, 10% anomalies in the
pool; the labels of the test are used for the outcome alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import read_lines, table
from numpy.typing import NDArray

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.densities import power_normalise
from twofold.detector.refitting import Refitted, refit_encoded
from twofold.encoders.encode import EncodedImages
from twofold.encoders.encoder import load_encoder
from twofold.marks import draw_design
from twofold.method_table import METHODS
from twofold.methods import FitData, Method
from twofold.metrics import auroc
from twofold.thresholds import Calibration, fit_threshold

Row = dict[str, Any]
Array = NDArray[np.float64]
REVIEWERS = ("design", "random", "2% wrong")
COUNTS = (5, 10, 20, 40, 80)
RATE, ERRORS = 0.05, 0.02


class Cell:
    """Source, pool and test of one direction and class, and a fit without marks."""

    def __init__(self, bank: Bank, near: str, far: str, normal: str, run: int) -> None:
        auto, encoder = METHODS.load("auto"), load_encoder()
        outputs = auto.Config().outputs()
        source, target = (bank.stock(name, encoder, outputs) for name in (near, far))
        split = uda_inductive(target.domain.labels(normal), random_state=run)
        known = source.images.subset(source.domain.labels(normal) == 0)
        # As a detector fits: each content once.
        self.data = FitData(known, target.images.subset(split.pool)).distinct()
        said = dict(zip(target.images.subset(split.pool).digests, split.pool_labels, strict=True))
        self.labels = np.array([said[d] for d in self.data.pool.digests], dtype=float)
        self.test, self.odd = target.images.subset(split.test), split.test_labels == 1
        self.run = run
        fit = auto(encoder).fit(self.data, random_state=run)
        self.method: Method = fit.model
        self.settled = fit.diagnostics.choices
        own = fit.out_of_sample
        self.scores = own.scores
        calibration = Calibration.of(
            own.scores, origin=own.origin, groups=own.groups, rule="tail", scale=own.scale
        )
        self.threshold = fit_threshold(calibration, RATE).value

    def area(self, scores: Array) -> float:
        """AUROC on the test."""
        return auroc(scores[~self.odd], scores[self.odd])

    def marks(self, reviewer: str, count: int) -> Array:
        """NaN but for the images that were asked for."""
        generator = np.random.default_rng([self.run, count])
        order = draw_design(self.scores, self.threshold, self.run).order
        if reviewer == "random":
            order = generator.permutation(len(self.scores))
        asked = order[:count]
        marks = np.full(len(self.scores), np.nan)
        marks[asked] = self.labels[asked]
        if reviewer == "2% wrong":
            wrong = asked[generator.random(len(asked)) < ERRORS]
            marks[wrong] = 1 - marks[wrong]
        return marks

    def refitted(self, marks: Array) -> Refitted:
        """As :meth:`twofold.Detector.refit` does: with what the first fit settled on."""
        return refit_encoded(
            type(self.method)(self.method.encoder, self.method.config),
            self.data,
            self.data.pool,
            marks,
            settled=self.settled,
            false_alarm_rate=RATE,
            random_state=self.run,
            rule="tail",
        )

    def rows(self, counts: Sequence[int]) -> Iterator[Row]:
        """Without marks, and with so many of each reviewer."""
        before = self.area(self.method.score(self.test))
        yield {"reviewer": "none", "marks": 0, "auroc": before}
        outcomes: dict[bytes, Row] = {}  # a reviewer who errs in no mark says what the first did
        for count in counts:
            if count > len(self.scores):
                continue
            for reviewer in REVIEWERS:
                marks = self.marks(reviewer, count)
                if marks.tobytes() not in outcomes:
                    outcomes[marks.tobytes()] = self.outcome(marks)
                yield {"reviewer": reviewer, "marks": count} | outcomes[marks.tobytes()]

    def outcome(self, marks: Array) -> Row:
        """Of the refit with these marks, on the test."""
        found = self.refitted(marks)
        own, views = found.fitted.model.score_with_views(self.test)
        scores = corrected(found, own, views, self.test)
        flagged = scores > found.threshold.value
        return {
            "anomalous": int((marks == 1).sum()),
            "auroc": self.area(scores),
            "auroc_without_correction": self.area(own),
            "false_alarm_rate": float(flagged[~self.odd].mean()),
            "detection_rate": float(flagged[self.odd].mean()),
        }


def corrected(found: Refitted, own: Array, views: Array, images: EncodedImages) -> Array:
    """Scores of new images."""
    if found.correction is None:
        return own
    return found.correction.scores(own, power_normalise(images["pooled"]), views)


def cells_of(bank: Bank, given: Sequence[str]) -> list[tuple[str, str, str]]:
    """Those that are named, or all."""
    if given:
        named = [tuple(name.split(":")) for name in given]
        return [(near, far, normal) for near, far, normal in named]
    return [(near, far, c) for near, far in bank.dataset.directions for c in bank.dataset.classes]


def write(options: argparse.Namespace) -> None:
    """Run the cells that FILE does not have."""
    bank = Bank(DATASETS.load(options.dataset)(options.root), lambda what, done, n: None)
    there = {key(row) for row in read_lines(options.out)} if options.out.exists() else set()
    for near, far, normal in cells_of(bank, options.cells):
        for run in range(options.runs):
            about = {"dataset": options.dataset, "direction": f"{near}->{far}", "class": normal}
            about |= {"run": run}
            if key(about) in there:
                continue
            found = [about | row for row in Cell(bank, near, far, normal, run).rows(options.counts)]
            with options.out.open("a", encoding="utf-8") as stream:
                stream.writelines(json.dumps(row) + "\n" for row in found)
            print(about, round(found[0]["auroc"], 4), round(found[-1]["auroc"], 4), flush=True)


def key(row: Row) -> tuple[Any, ...]:
    """Which cell a row is of."""
    return row["dataset"], row["direction"], row["class"], row["run"]


def table_of(rows: Sequence[Row]) -> str:
    """AUROC % without marks, and how much more with so many; means over cells and runs."""
    counts = sorted({row["marks"] for row in rows} - {0})
    lines = []
    for name in dict.fromkeys((row["dataset"], row["direction"]) for row in rows):
        mine = [row for row in rows if (row["dataset"], row["direction"]) == name]
        before = {key(row): row["auroc"] for row in mine if not row["marks"]}
        start = 100 * float(np.mean(list(before.values())))
        for reviewer in REVIEWERS:
            gains = []
            for count in counts:
                found = [r for r in mine if r["marks"] == count and r["reviewer"] == reviewer]
                more = [100 * (row["auroc"] - before[key(row)]) for row in found]
                gains.append(f"{np.mean(more):+.1f} ({min(more):+.1f})" if more else "-")
            lines.append([" ".join(name), reviewer, f"{start:.1f}", *gains])
    return table(["data", "marks", "none", *map(str, counts)], lines)


def main() -> None:
    """Run, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="?")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--cells", nargs="*", default=())
    parser.add_argument("--runs", type=int, default=2)
    parser.add_argument("--counts", type=int, nargs="*", default=COUNTS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path, nargs="*")
    options = parser.parse_args()
    if options.table:
        print(table_of([row for path in options.table for row in read_lines(path)]))
    elif options.dataset is None or options.out is None:
        parser.error("give DATASET and --out, or --table")
    else:
        write(options)


if __name__ == "__main__":
    main()
