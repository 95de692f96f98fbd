"""What thresholds and discoveries promise, and whether it holds.

Usage: python benchmarks/promises.py [--pacs FOLDER] [--office31 FOLDER] [--draws 400] [--runs 3]
       [--only TABLE] [--out FILE]

Tables as Markdown on stdout, rows as JSON lines in FILE:

- `rates`: realised over stated false-alarm rate of scores drawn from known distributions, clean and
  with anomalies in the pool, and in how many pools the realised rate lies above the stated upper
  end (2.5% are promised);
- `discoveries`: normals among what is reported at a stated false discovery rate;
- `cells`: the same rates of `auto` on held-out normals of real pools (solar cells; PACS and
  Office-31 where their folders are given);
- `copies`: realised rate where each image of a pool is there once, twice, five times, or as five
  frames of a moving camera.

Labels choose the sets and count the outcome; nothing else sees them.
"""

from __future__ import annotations

import argparse
import math
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import direction, table, write_lines
from numpy.typing import NDArray
from PIL import Image
from scipy.stats import betabinom, norm, t

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.detector import Detector
from twofold.encoders.encoder import load_encoder
from twofold.method_table import METHODS
from twofold.methods import FitData
from twofold.thresholds import Calibration, ScoreScale, benjamini_hochberg, fit_threshold, p_values

Array = NDArray[np.float64]
Row = dict[str, Any]
RATES = (0.001, 0.01, 0.05, 0.1)
SHARES = (0.0, 0.1, 0.2)
SIZES = (50, 500, 5000)
DISCOVERY_RATES = (0.05, 0.1, 0.2)
DISCOVERY_SHARES = (0.0, 0.005, 0.05, 0.2)
_FRAMES = 5

Shape = tuple[Callable[[Any, int], Array], Callable[[Array], Array], float, ScoreScale]
# Scores of normals, the share of them above a score, what an anomaly adds to a normal score, and
# the scale that a method would declare: distances are positive.
SHAPES: dict[str, Shape] = {
    "normal": (lambda rng, n: rng.normal(size=n), norm.sf, 4.0, "linear"),
    "log-normal": (lambda rng, n: rng.lognormal(size=n), lambda x: norm.sf(np.log(x)), 20.0, "log"),
    "heavy-tailed (Pareto 1.5)": (
        lambda rng, n: rng.pareto(1.5, size=n) + 1.0,
        lambda x: x**-1.5,
        30.0,
        "log",
    ),
    "heavy-tailed (Student, 3)": (
        lambda rng, n: rng.standard_t(3, size=n),
        t(3).sf,
        9.0,
        "linear",
    ),
    "bimodal (half at 5)": (
        lambda rng, n: rng.normal(size=n) + 5.0 * (rng.random(n) < 0.5),
        lambda x: 0.5 * norm.sf(x) + 0.5 * norm.sf(x - 5.0),
        9.0,
        "linear",
    ),
    "bimodal (20% at 5)": (
        lambda rng, n: rng.normal(size=n) + 5.0 * (rng.random(n) < 0.2),
        lambda x: 0.8 * norm.sf(x) + 0.2 * norm.sf(x - 5.0),
        9.0,
        "linear",
    ),
}


def rates(draws: int, sizes: tuple[int, ...] = SIZES) -> Iterator[Row]:
    """Realised rates of pools drawn from known distributions."""
    for shape, (draw, above, extra, scale) in SHAPES.items():
        for n in sizes:
            for share in SHARES:
                rng = np.random.default_rng(n)
                pools = []
                for _ in range(draws):
                    scores = draw(rng, n)
                    odd = rng.random(n) < share
                    scores[odd] += rng.exponential(extra, size=odd.sum())
                    pools.append(scores)
                for rule in ("pool", "tail"):
                    calibrations = [
                        Calibration.of(scores, rule=rule, scale=scale) for scores in pools
                    ]
                    yield from _rate_rows(shape, n, share, rule, calibrations, above)


def _rate_rows(
    shape: str,
    n: int,
    share: float,
    rule: Any,
    calibrations: list[Calibration],
    above: Callable[[Array], Array],
) -> Iterator[Row]:
    for rate in RATES:
        found = [fit_threshold(calibration, rate) for calibration in calibrations]
        realised = above(np.array([threshold.value for threshold in found]))
        stated = found[0].false_alarm_rate
        high = np.array([threshold.interval[1] for threshold in found])
        yield {
            "table": "rates",
            "scores": shape,
            "n": n,
            "anomalies": share,
            "rule": rule,
            "asked": rate,
            "stated": stated,
            "ratio": float(realised.mean() / stated),
            "error": float(realised.std() / math.sqrt(len(calibrations)) / stated),
            "above_upper_end": float((realised > high).mean()),
        }


def discoveries(draws: int, sizes: tuple[int, ...] = (500, 2000, 5000)) -> Iterator[Row]:
    """Normals among what is reported, in batches as large as the pool."""
    for n in sizes:
        for in_pool in (0.0, 0.05):
            for share in DISCOVERY_SHARES:
                for rule in ("pool", "tail"):
                    yield from _discovery_rows(n, in_pool, share, rule, draws)


def _discovery_rows(n: int, in_pool: float, share: float, rule: Any, draws: int) -> Iterator[Row]:
    rng = np.random.default_rng(n)
    false = {rate: np.zeros(draws) for rate in DISCOVERY_RATES}
    any_found = {rate: np.zeros(draws) for rate in DISCOVERY_RATES}
    detected = {rate: np.zeros(draws) for rate in DISCOVERY_RATES}
    for draw in range(draws):
        pool, batch = rng.lognormal(size=n), rng.lognormal(size=n)
        for scores, odd in ((pool, rng.random(n) < in_pool), (batch, rng.random(n) < share)):
            scores[odd] *= 60.0
        calibration = Calibration.of(pool, rule=rule, scale="log")
        chances = p_values(batch, calibration)
        for rate in DISCOVERY_RATES:
            reported = benjamini_hochberg(chances, rate)
            false[rate][draw] = reported[~odd].sum() / max(int(reported.sum()), 1)
            any_found[rate][draw] = reported.any()
            detected[rate][draw] = reported[odd].mean() if odd.any() else np.nan
    for rate in DISCOVERY_RATES:
        yield {
            "table": "discoveries",
            "n": n,
            "in_pool": in_pool,
            "in_batch": share,
            "rule": rule,
            "asked": rate,
            "realised": float(false[rate].mean()),
            "error": float(false[rate].std() / math.sqrt(draws)),
            "something_reported": float(any_found[rate].mean()),
            "found": None if share == 0 else float(np.nanmean(detected[rate])),
        }


def cells(bank: Bank, runs: int) -> Iterator[Row]:
    """Realised rates of `auto` on held-out normals of real pools."""
    auto, encoder = METHODS.load("auto"), load_encoder()
    outputs = auto.Config().outputs()
    for near, far in bank.dataset.directions:
        source, target = (bank.stock(name, encoder, outputs) for name in (near, far))
        for normal in bank.dataset.classes:
            labels = target.domain.labels(normal)
            known = source.images.subset(source.domain.labels(normal) == 0)
            for run in range(runs):
                for share in SHARES:
                    split = uda_inductive(labels, anomaly_share=share, random_state=run)
                    pool, test = (target.images.subset(rows) for rows in (split.pool, split.test))
                    detector = Detector(random_state=run)
                    detector.fit_encoded(auto(encoder), FitData(known, pool))
                    scores = detector.method_.score(test)
                    for rule in ("pool", "tail"):
                        yield from _cell_rows(
                            detector, scores, split.test_labels, rule, share, f"{near}->{far}"
                        )


def _cell_rows(
    detector: Detector,
    scores: Array,
    labels: NDArray[np.int64],
    rule: Any,
    share: float,
    where: str,
) -> Iterator[Row]:
    kept = detector.calibration_
    calibration = Calibration(kept.scores, kept.weights, kept.origin, rule, kept.scale)
    for rate in RATES[1:]:
        threshold = fit_threshold(calibration, rate)
        normals = scores[labels == 0] > threshold.value
        yield {
            "table": "cells",
            "direction": where,
            "rule": rule,
            "anomalies": share,
            "asked": rate,
            "stated": threshold.false_alarm_rate,
            "n": threshold.n_groups,
            "alarms": int(normals.sum()),
            "normals": len(normals),
            "detected": float((scores[labels == 1] > threshold.value).mean()),
            "upper_end": threshold.interval[1],
        }


def copies(runs: int, methods: tuple[str, ...] = ("auto", "target_only", "padim")) -> Iterator[Row]:
    """Realised rate at 5% where images of the pool are there more than once: poly cells."""
    dataset = DATASETS.load("elpv")(None)
    near, far = (dataset.domain(name) for name in ("mono", "poly"))
    normal = dataset.classes[0]
    known = [near.paths[row] for row in np.flatnonzero(near.labels(normal) == 0)]
    labels = far.labels(normal)
    for run in range(runs):
        # Without anomalies, which would hide what copies do.
        split = uda_inductive(labels, anomaly_share=0.0, random_state=run)
        # A few hundred frames are enough to see, and take seconds to encode.
        rows = split.pool[:: max(1, len(split.pool) // 100)]
        once = [np.asarray(image) for image in _pixels([far.paths[row] for row in rows])]
        fresh = [far.paths[row] for row in split.test[split.test_labels == 0]]
        pools = {
            "once": np.stack(once),
            "twice": np.stack([image for image in once for _ in range(2)]),
            "five times": np.stack([image for image in once for _ in range(5)]),
            "five frames": np.stack([frame for image in once for frame in _moved(image)]),
        }
        for method in methods:
            for kind, pool in pools.items():
                detector = Detector(method, random_state=run)
                detector.fit(known, pool)
                alarms = detector.predict(fresh)
                yield {
                    "table": "copies",
                    "method": method,
                    "pool": kind,
                    "run": run,
                    "n_images": len(pool),
                    "n_groups": detector.threshold_.n_groups,
                    "realised": float(alarms.mean()),
                }


def _pixels(paths: list[str]) -> Iterator[NDArray[np.uint8]]:
    for path in paths:
        with Image.open(path) as image:
            yield np.asarray(image.convert("RGB"))


def _moved(image: NDArray[np.uint8]) -> Iterator[NDArray[np.uint8]]:
    """Frames of a camera that moves by a pixel, under light that flickers by a hundredth."""
    for step in range(_FRAMES):
        moved = np.roll(image, step, axis=1).astype(np.float64)
        yield np.clip(moved * (1.0 + 0.01 * (step % 2)), 0, 255).astype(np.uint8)


def print_rates(rows: list[Row]) -> None:
    """Ratio and share above the upper end, a column for each asked rate."""
    head = ["scores", "images", "anomalies", "rule", *(f"{rate:.1%}" for rate in RATES)]
    groups: dict[tuple[str, int, float, str], list[str]] = {}
    for row in rows:
        key = (row["scores"], row["n"], row["anomalies"], row["rule"])
        cell = f"{row['ratio']:.2f} ({row['above_upper_end']:.1%})"
        groups.setdefault(key, []).append(cell)
    print(
        table(
            head,
            [[a, str(b), f"{c:.0%}", d, *cells] for (a, b, c, d), cells in groups.items()],
        )
    )


def print_discoveries(rows: list[Row]) -> None:
    """Realised rate and what is found, a column for each asked rate."""
    head = ["images", "in pool", "in batch", "rule", *(f"{rate:.0%}" for rate in DISCOVERY_RATES)]
    groups: dict[tuple[int, float, float, str], list[str]] = {}
    for row in rows:
        key = (row["n"], row["in_pool"], row["in_batch"], row["rule"])
        more = "" if row["found"] is None else f", finds {row['found']:.0%}"
        groups.setdefault(key, []).append(f"{row['realised']:.1%}{more}")
    print(
        table(
            head,
            [[str(a), f"{b:.0%}", f"{c:.1%}", d, *cells] for (a, b, c, d), cells in groups.items()],
        )
    )


def print_cells(rows: list[Row]) -> None:
    """All cells of a direction together."""
    head = ["direction", "anomalies", "rule", *(f"{rate:.0%}" for rate in RATES[1:])]
    groups: dict[tuple[str, float, str], list[str]] = {}
    for row in rows:
        groups.setdefault((row["direction"], row["anomalies"], row["rule"]), [])
    for key, line in groups.items():
        for rate in RATES[1:]:
            mine = [
                row
                for row in rows
                if (row["direction"], row["anomalies"], row["rule"], row["asked"]) == (*key, rate)
            ]
            realised = sum(row["alarms"] for row in mine) / sum(row["normals"] for row in mine)
            stated = np.mean([row["stated"] for row in mine])
            detected = np.mean([row["detected"] for row in mine])
            line.append(f"{realised:.1%} of {stated:.1%}, finds {detected:.0%}")
    print(table(head, [[direction(a), f"{b:.0%}", c, *x] for (a, b, c), x in groups.items()]))
    clean = [row for row in rows if row["anomalies"] == 0 and row["rule"] == "pool"]
    above = np.mean([row["alarms"] > _most_alarms(row) for row in clean])
    chance = np.mean([chance_above(row) for row in clean])
    print(
        f"\nClean pools: {above:.1%} of {len(clean)} rates lie above the stated upper end; "
        f"{chance:.1%} would where every promise holds, as test sets are finite."
    )


def _most_alarms(row: Row) -> int:
    """So many of the test's normals are at most the stated upper end."""
    most: int = math.floor(row["upper_end"] * row["normals"] + 1e-9)
    return most


def chance_above(row: Row) -> float:
    """Probability of more alarms than :func:`_most_alarms` where the threshold is exact.

    A conformal threshold's rate is beta distributed (Vovk 2012), so the alarms among a finite
    number of normals are beta-binomial.
    """
    n, k = row["n"], max(1, round(row["stated"] * (row["n"] + 1)))
    return float(betabinom.sf(_most_alarms(row), row["normals"], k, n + 1 - k))


def print_copies(rows: list[Row]) -> None:
    """Mean over runs."""
    kinds = list(dict.fromkeys(row["pool"] for row in rows))
    body = []
    for method in dict.fromkeys(row["method"] for row in rows):
        line = [f"`{method}`"]
        for kind in kinds:
            mine = [row for row in rows if (row["method"], row["pool"]) == (method, kind)]
            realised = np.mean([row["realised"] for row in mine])
            line.append(f"{realised:.1%} ({mine[0]['n_groups']} of {mine[0]['n_images']})")
        body.append(line)
    print(table(["method", *kinds], body))


def main() -> None:
    """All tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pacs", type=Path)
    parser.add_argument("--office31", type=Path)
    parser.add_argument("--draws", type=int, default=400)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", help="rates, discoveries, copies or cells; all by default")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    roots = {"elpv": None, "pacs": options.pacs, "office31": options.office31}
    found: list[Row] = []

    def told(rows: Iterator[Row], show: Callable[[list[Row]], None], name: str) -> None:
        if options.only not in (None, show.__name__.removeprefix("print_")):
            return
        mine = list(rows)
        print(f"\n{name}\n")
        show(mine)
        found.extend(row | {"name": name} for row in mine)
        write_lines(options.out, found)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        told(rates(options.draws), print_rates, "Realised over stated rate")
        told(discoveries(options.draws // 4), print_discoveries, "False discoveries")
        told(copies(options.runs), print_copies, "Copies")
        for name, root in roots.items():
            if name == "elpv" or root is not None:
                bank = Bank(DATASETS.load(name)(root), lambda *_: None)
                told(cells(bank, options.runs), print_cells, f"Real pools: {name}")


if __name__ == "__main__":
    main()
