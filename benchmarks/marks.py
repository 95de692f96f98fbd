"""What a few marks say about a scored folder: do the intervals hold, and how wide are they?

Usage: python benchmarks/marks.py --scores FILE --out FOLDER [--repetitions 200]
       [--processes 1]

FILE is that of benchmarks/marks_scores.py; its labels are the reviewer. Each test set is taken as
it is, and with as many of its anomalies, drawn once, as make a tenth of it; beside them sets drawn
from normal distributions, hard ones among them. In each of the repetitions 20, 40, 80 and 160
images are marked, and the rates of the very set are estimated:

- ``design``: the first images of a drawn design;
- ``random``: as many images drawn at random, with the same estimator;
- ``exact``: the same random images, with the exact binomial interval (Clopper-Pearson) of the
  detection rate among the marked anomalies, as one does by hand.

Writes ``coverage.jsonl``, a row for each set, way, number of marks and rate; ``marks.md``, its
tables; and ``marks.png``.
"""

from __future__ import annotations

import argparse
import itertools
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import collected, table
from marks_picture import draw
from numpy.typing import NDArray

from twofold.marks import RATES, Estimate, clopper_pearson, draw_design, estimate
from twofold.metrics import auroc

Array = NDArray[np.float64]
Row = dict[str, Any]
Sets = dict[str, tuple[Array, Array, float]]
"""Name -> scores, labels and threshold."""
MARKS = (20, 40, 80, 160)
WAYS = ("design", "random", "exact")
_SHARE = 0.1
# Images, share of anomalies, and how far their scores lie above those of normals: few images, a
# detector no better than chance, rare misses, many misses.
DRAWN = (
    (60, 0.1, 2.0),
    (300, 0.02, 2.0),
    (300, 0.1, 0.0),
    (300, 0.4, 2.0),
    (1000, 0.1, 3.5),
    (1000, 0.4, 0.0),
    (5000, 0.02, 2.0),
    (5000, 0.1, 2.0),
)


def read_sets(path: Path) -> Sets:
    """Name -> scores, labels and threshold of each set."""
    found: Sets = {}
    with np.load(path) as kept:
        for name in dict.fromkeys(key.rsplit("/", 1)[0] for key in kept.files):
            scores, labels = kept[f"{name}/scores"], kept[f"{name}/labels"]
            threshold = float(kept[f"{name}/threshold"])
            found[f"{name}, all"] = (scores, labels, threshold)
            normals = np.flatnonzero(labels == 0)
            wanted = round(len(normals) * _SHARE / (1 - _SHARE))
            odd = np.random.default_rng(0).permutation(np.flatnonzero(labels == 1))[:wanted]
            rows = np.sort(np.concatenate([normals, odd]))
            found[f"{name}, 10%"] = (scores[rows], labels[rows], threshold)
    return found


def drawn_sets() -> Sets:
    """The sets of :data:`DRAWN`, at the threshold that flags 5% of the normals."""
    found: Sets = {}
    for number, (n, share, distance) in enumerate(DRAWN):
        labels = (np.arange(n) < round(n * share)).astype(np.float64)
        scores = np.random.default_rng(number).normal(size=n) + distance * labels
        name = f"drawn {n}, {share:.0%}, distance {distance:g}"
        found[name] = (scores, labels, float(np.quantile(scores[labels == 0], 0.95)))
    return found


def true_rates(scores: Array, labels: Array, threshold: float) -> dict[str, float]:
    """The rates of the whole set."""
    above, odd = scores > threshold, labels == 1
    return {
        "detection_rate": float(above[odd].mean()),
        "false_alarm_rate": float(above[~odd].mean()),
        "precision": float(odd[above].mean()) if above.any() else float("nan"),
        "anomaly_share": float(odd.mean()),
        "auroc": auroc(scores[~odd], scores[odd]),
    }


def one_estimate(
    scores: Array, labels: Array, threshold: float, way: str, n: int, state: int
) -> dict[str, Estimate]:
    """The rates that one repetition estimates."""
    design = draw_design(scores, threshold, state)
    strata = design.strata if way == "design" else np.zeros(len(scores), dtype=np.int64)
    shuffled = np.random.default_rng(state).permutation(len(scores))
    rows = (design.order if way == "design" else shuffled)[:n]
    if way == "exact":
        odd = rows[labels[rows] == 1]
        hits = int((scores[odd] > threshold).sum())
        value = hits / len(odd) if len(odd) else None
        return {"detection_rate": Estimate(value, *clopper_pearson(hits, len(odd)))}
    marks = np.full(len(scores), np.nan)
    marks[rows] = labels[rows]
    found = estimate(scores, threshold, strata, marks, random_state=state)
    return {name: getattr(found, name) for name in RATES}


def simulate(name: str, one: tuple[Array, Array, float], repetitions: int) -> list[Row]:
    """Coverage and width in a set, for every way and number of marks."""
    scores, labels, threshold = one
    true = true_rates(scores, labels, threshold)
    rows = []
    for n, way in itertools.product((n for n in MARKS if n <= len(scores)), WAYS):
        drawn = [
            one_estimate(scores, labels, threshold, way, n, state) for state in range(repetitions)
        ]
        for rate in (rate for rate in drawn[0] if not np.isnan(true[rate])):
            found = [estimates[rate] for estimates in drawn]
            holds = [e.low - 1e-9 <= true[rate] <= e.high + 1e-9 for e in found]
            rows.append(
                {
                    "set": name,
                    "drawn": name.startswith("drawn"),
                    "n_images": len(scores),
                    "n_anomalies": int(labels.sum()),
                    "way": way,
                    "n_marks": n,
                    "rate": rate,
                    "true": true[rate],
                    "coverage": float(np.mean(holds)),
                    "width": float(np.mean([e.high - e.low for e in found])),
                    "without_value": float(np.mean([e.value is None for e in found])),
                }
            )
    return rows


def chosen(rows: list[Row], **wanted: object) -> list[Row]:
    """Rows with the given fields."""
    return [row for row in rows if all(row[key] == value for key, value in wanted.items())]


def coverage_table(rows: list[Row]) -> str:
    """Coverage by rate and number of marks: mean over sets, range, and how many are outside."""

    def cell(way: str, rate: str, n: int) -> str:
        values = [row["coverage"] for row in chosen(rows, way=way, rate=rate, n_marks=n)]
        below = sum(value < 0.93 - 1e-9 for value in values)
        above = sum(value > 0.97 + 1e-9 for value in values)
        return (
            f"{100 * np.mean(values):.1f} ({100 * min(values):.0f} to {100 * max(values):.0f}); "
            f"{below} / {len(values) - below - above} / {above}"
        )

    body = [
        [rate.replace("_", " "), way, *(cell(way, rate, n) for n in MARKS)]
        for rate in RATES
        for way in WAYS
        if chosen(rows, way=way, rate=rate)
    ]
    return table(
        ["coverage %, mean (range); sets below 93 / 93 to 97 / above", "marks", *map(str, MARKS)],
        body,
    )


def width_table(rows: list[Row]) -> str:
    """Mean width by rate and number of marks."""

    def cell(way: str, rate: str, n: int) -> str:
        values = [row["width"] for row in chosen(rows, way=way, rate=rate, n_marks=n)]
        return f"{np.mean(values):.3f}"

    body = [
        [rate.replace("_", " "), way, *(cell(way, rate, n) for n in MARKS)]
        for rate in RATES
        for way in WAYS
        if chosen(rows, way=way, rate=rate)
    ]
    return table(["width, mean over sets", "marks", *map(str, MARKS)], body)


def as_many(rows: list[Row], name: str, way: str, n: int = 40) -> float:
    """How many marks of another way give the width that the design gives with ``n``.

    Interpolated between the numbers of marks on logarithmic scales; beyond the largest one, where
    the whole set is smaller or the width is reached by none, NaN.
    """
    mine = chosen(rows, set=name, rate="detection_rate")
    wanted = chosen(mine, way="design", n_marks=n)[0]["width"]
    others = chosen(mine, way=way)
    widths = np.array([row["width"] for row in others])[::-1]
    marks = np.array([row["n_marks"] for row in others])[::-1]
    if not widths.min() <= wanted <= widths.max():
        return float("nan")
    return float(np.exp(np.interp(np.log(wanted), np.log(np.maximum(widths, 1e-9)), np.log(marks))))


def sets_table(rows: list[Row]) -> str:
    """Each set: its detection rate at 40 marks, and the random marks that 40 of the design are."""
    body = []
    for name in dict.fromkeys(row["set"] for row in rows):
        mine = {
            way: chosen(rows, set=name, way=way, rate="detection_rate", n_marks=40)[0]
            for way in WAYS
        }
        first = mine["design"]
        many = [as_many(rows, name, way) for way in ("random", "exact")]
        body.append(
            [
                name.replace("->", " to ").replace("_", " "),
                f"{first['n_images']} ({first['n_anomalies']})",
                f"{first['true']:.2f}",
                *(f"{mine[way]['width']:.2f} ({100 * mine[way]['coverage']:.0f})" for way in WAYS),
                *("-" if np.isnan(value) else f"{value:.0f}" for value in many),
            ]
        )
    head = ["set", "images (anomalies)", "detection rate"]
    ways = [f"{way}: width at 40 marks (coverage %)" for way in WAYS]
    return table([*head, *ways, "random marks as good as 40", "the same, exact"], body)


def main() -> None:
    """Simulate, print and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--scores", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--repetitions", type=int, default=200)
    parser.add_argument("--processes", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    sets = read_sets(options.scores) | drawn_sets()
    with ProcessPoolExecutor(options.processes) as pool:
        jobs = [pool.submit(simulate, *item, options.repetitions) for item in sets.items()]
        found = itertools.chain.from_iterable(job.result() for job in jobs)
        rows = collected(found, options.out / "coverage.jsonl")
    parts = []
    for title, drawn in (("Test sets", False), ("Drawn sets", True)):
        mine = chosen(rows, drawn=drawn)
        tables = [coverage_table(mine), width_table(mine), sets_table(mine)]
        parts += [f"## {title}", *tables]
    text = "\n\n".join(parts) + "\n"
    (options.out / "marks.md").write_text(text, encoding="utf-8")
    draw(rows, options.out / "marks.png")
    print(text)


if __name__ == "__main__":
    main()
