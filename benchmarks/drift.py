"""How soon `twofold drift` notices a change, and how often it warns without one.

Usage: python benchmarks/drift.py numbers [--streams 1000] [--repeats 100] --out FILE
       python benchmarks/drift.py images DATASET [--root FOLDER] [--class NAME] [--repeats 100]
              [--to DOMAIN] --out FILE
       python benchmarks/drift.py --table FILE ...

``numbers``: streams of normal numbers, nine of an image, of which the first stands for the score.
``images``: a detector is fitted in the first direction of DATASET (a name of `twofold bench`) to
300 normal images of the target and 2% anomalies; the stream is of other images of the target, and
from image 101 on of the same under a made-up shift at five strengths, with more anomalies, or of
the domain that ``--to`` names. Labels choose the sets; nothing else sees them.

Beside it two published detectors on the same numbers: Page-Hinkley (Page 1954, with the rules of
the library river) on the score, and the maximum mean discrepancy (Gretton et al. 2012) between the
last 50 images and the reference. They have no bound of their own: their thresholds are set so that
1% of streams drawn from the reference itself warn within as many images. Rows as JSON lines in
FILE; delays in images, the stream ends 500 images after the change.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import read_lines, table, write_lines
from drift_line import ANOMALIES, NORMALS, Line, normals, read_pixels
from numpy.typing import NDArray
from PIL import Image

from twofold import Detector
from twofold.benchmark.datasets.registry import DATASETS
from twofold.defaults import DEFAULT_FALSE_WARNINGS
from twofold.drift import Drift, DriftMonitor
from twofold.synthetic import SHIFTS, shift_image

Array = NDArray[np.float64]
Row = dict[str, Any]
BEFORE, AFTER, WINDOW, LATE = 100, 500, 50, 2000
STRENGTHS = (0.2, 0.4, 0.6, 0.8, 1.0)
SHARES = (0.05, 0.1, 0.2, 0.3, 0.4)
RIVALS = ("Page-Hinkley", "MMD")
# Shifts below a quarter of a spread are none, as river's delta has it in units of the data.
_IGNORED = 0.25


def page_hinkley(scores: Array) -> Array:
    """The statistic after each score, float64 (t,), of standardised scores."""
    counts = np.arange(1, len(scores) + 1)
    means = np.cumsum(scores) / counts
    sums = np.cumsum(scores - means - _IGNORED)
    return np.asarray(sums - np.minimum.accumulate(sums))


class Discrepancy:
    """Squared maximum mean discrepancy of the last images against a reference."""

    def __init__(self, reference: Array) -> None:
        self.centre, self.spread = reference.mean(axis=0), reference.std(axis=0) + 1e-12
        self.known = (reference - self.centre) / self.spread
        squares = self._squares(self.known, self.known)
        self.width = float(np.median(squares[squares > 0]))
        self.own = float(np.exp(-squares / self.width).mean())

    @staticmethod
    def _squares(one: Array, other: Array) -> Array:
        sums = (one**2).sum(axis=1)[:, None] + (other**2).sum(axis=1)
        return np.asarray(np.maximum(sums - 2 * one @ other.T, 0.0))

    def course(self, values: Array) -> Array:
        """After each image, float64 (t,); 0 before the window is full."""
        new = (values - self.centre) / self.spread
        cross = np.exp(-self._squares(new, self.known) / self.width).mean(axis=1)
        inside = np.exp(-self._squares(new, new) / self.width)
        found = np.zeros(len(new))
        corner = np.zeros((len(new) + 1, len(new) + 1))
        corner[1:, 1:] = inside.cumsum(axis=0).cumsum(axis=1)
        for t in range(WINDOW, len(new) + 1):
            s = t - WINDOW
            block = corner[t, t] - corner[s, t] - corner[t, s] + corner[s, s]
            found[t - 1] = block / WINDOW**2 - 2 * cross[s:t].mean() + self.own
        return found


def rivals(reference: Array) -> dict[str, Callable[[Array], Array]]:
    """Statistics of a stream, by name."""
    mean, spread = float(reference[:, 0].mean()), float(reference[:, 0].std())
    return {
        "Page-Hinkley": lambda values: page_hinkley((values[:, 0] - mean) / spread),
        "MMD": Discrepancy(reference).course,
    }


def heights(reference: Array, rng: np.random.Generator, streams: int) -> dict[str, float]:
    """Thresholds that 1% of streams drawn from the reference reach."""
    found = {}
    for name, statistic in rivals(reference).items():
        most = [
            statistic(reference[rng.integers(len(reference), size=BEFORE + AFTER)]).max()
            for _ in range(streams)
        ]
        found[name] = float(np.quantile(most, 1 - DEFAULT_FALSE_WARNINGS))
    return found


def warned(reference: Array, stream: Array, limits: dict[str, float]) -> dict[str, int | None]:
    """After how many images each detector warned; None where it did not."""
    found = own_warnings(DriftMonitor(reference).update(stream))
    for name, statistic in rivals(reference).items():
        over = np.flatnonzero(statistic(stream) > limits[name])
        found[name] = int(over[0]) + 1 if len(over) else None
    return found


def own_warnings(drift: Drift, before: int = 0) -> dict[str, int | None]:
    """After how many images, less those before, each kind was warned of; None where not."""
    at: dict[str, int] = {kind: warning.at - before for kind, warning in drift.warnings.items()}
    return {kind: at.get(kind) for kind in ("domain", "anomalies")}


def rows_of(about: Row, found: Sequence[dict[str, int | None]]) -> Iterator[Row]:
    """A row each detector: early warnings, later ones, and delays of these."""
    for name in found[0]:
        at = [one[name] for one in found]
        late = [one - BEFORE for one in at if one is not None and one > BEFORE]
        yield about | {
            "detector": name,
            "repeats": len(at),
            "early": sum(one is not None and one <= BEFORE for one in at),
            "noticed": len(late),
            "delays": sorted(late),
        }


def numbers(options: argparse.Namespace) -> Iterator[Row]:
    """Streams of normal numbers."""
    n = 9
    rng = np.random.default_rng(0)
    quiet = []
    for _ in range(options.streams):
        reference = rng.normal(size=(NORMALS, n))
        drift = DriftMonitor(reference).update(rng.normal(size=(5000, n)))
        quiet.append({kind: warning.at for kind, warning in drift.warnings.items()})
    yield {
        "study": "numbers",
        "change": "none, 5,000 images",
        "strength": 0.0,
        "detector": "any",
        "repeats": options.streams,
        "early": sum(bool(one) for one in quiet),
        "noticed": 0,
        "delays": [],
    }
    changes: dict[str, tuple[Sequence[float], Callable[[Array, float], None]]] = {
        "score, spreads": ((0.5, 1.0, 1.5, 2.0, 3.0), _first_moves),
        "a direction, spreads": ((0.5, 1.0, 1.5, 2.0, 3.0), _second_moves),
        "anomalies, share": (SHARES, lambda new, share: _odd(new, share, rng)),
    }
    for change, (strengths, make) in changes.items():
        for strength in strengths:
            found: list[dict[str, int | None]] = []
            for _ in range(options.repeats):
                reference = rng.normal(size=(NORMALS, n))
                stream = rng.normal(size=(BEFORE + AFTER, n))
                make(stream[BEFORE:], strength)
                if not found:
                    limits = heights(reference, rng, options.streams)
                found.append(warned(reference, stream, limits))
            yield from rows_of({"study": "numbers", "change": change, "strength": strength}, found)
    yield from late_numbers(options)


def late_numbers(options: argparse.Namespace) -> Iterator[Row]:
    """More anomalies after a long stream, which knows better than the fit what is usual."""
    rng = np.random.default_rng(1)
    for share in SHARES:
        found: list[dict[str, int | None]] = []
        for _ in range(options.repeats):
            monitor = DriftMonitor(rng.normal(size=(NORMALS, 9)))
            monitor.update(rng.normal(size=(LATE - BEFORE, 9)))
            stream = rng.normal(size=(BEFORE + AFTER, 9))
            _odd(stream[BEFORE:], share, rng)
            found.append(own_warnings(monitor.update(stream), LATE - BEFORE))
        change = f"anomalies, share, after {LATE:,} images"
        yield from rows_of({"study": "numbers", "change": change, "strength": share}, found)


def _first_moves(new: Array, strength: float) -> None:
    new[:, 0] += strength


def _second_moves(new: Array, strength: float) -> None:
    new[:, 1] += strength


def _odd(new: Array, share: float, rng: np.random.Generator) -> None:
    new[rng.random(len(new)) < share] += 4.0


def images(options: argparse.Namespace) -> Iterator[Row]:
    """Streams of real images, with made-up and real shifts."""
    dataset = DATASETS.load(options.dataset)(options.root)
    near, far = dataset.directions[0] if options.near is None else (options.near, options.far)
    normal = options.normal or dataset.classes[0]
    rng = np.random.default_rng(0)
    line = Line.fitted(dataset.domain(near), dataset.domain(far), normal)
    detector = line.detector
    reference = detector.drift_reference_
    assert reference is not None
    plain, wrong = (seen(detector, one) for one in (line.normal, line.anomalous))
    limits = heights(reference.values, rng, options.streams)

    def study(change: str, strength: float, later: Array, share: float) -> Iterator[Row]:
        found = []
        for _ in range(options.repeats):
            first = drawn(plain, wrong, BEFORE, ANOMALIES, rng)
            stream = np.concatenate([first, drawn(later, wrong, AFTER, share, rng)])
            found.append(warned(reference.values, stream, limits))
        about = {"study": f"{options.dataset} {near} to {far}", "change": change}
        yield from rows_of(about | {"strength": strength}, found)

    yield from study("none", 0.0, plain, ANOMALIES)
    for share in SHARES:
        yield from study("anomalies, share", share, plain, share)
    for kind in SHIFTS:
        for strength in STRENGTHS:
            shifted = seen(
                detector, line.normal, partial(shift_image, kind=kind, strength=strength)
            )
            yield from study(kind, strength, shifted, ANOMALIES)
    if options.to:
        known = normals(dataset.domain(options.to), normal)
        yield from study(f"to {options.to}", 1.0, seen(detector, known), ANOMALIES)


def seen(
    detector: Detector,
    paths: Sequence[str],
    change: Callable[[NDArray[np.uint8]], NDArray[np.uint8]] | None = None,
) -> Array:
    """The numbers that drift looks at, of images on disk or changed, float64 (n, f)."""
    if change is None:
        return detector.follow(paths)[1]
    found = []
    for start in range(0, len(paths), 64):
        some = [Image.fromarray(change(read_pixels(path))) for path in paths[start : start + 64]]
        found.append(detector.follow(some)[1])
    return np.concatenate(found)


def drawn(usual: Array, odd: Array, n: int, share: float, rng: np.random.Generator) -> Array:
    """A stream of n images of which each is odd with a probability; drawn with replacement."""
    rows = usual[rng.integers(len(usual), size=n)]
    wrong = rng.random(n) < share
    rows[wrong] = odd[rng.integers(len(odd), size=int(wrong.sum()))]
    return rows


def table_of(rows: Sequence[Row]) -> str:
    """Median delay and share noticed; below, what was said of streams without a change."""
    lines: dict[tuple[str, str, float], dict[str, str]] = {}
    changed = [row for row in rows if row["detector"] != "any"]
    for row in changed:
        key = row["study"], row["change"], row["strength"]
        lines.setdefault(key, {})[row["detector"]] = _said(row)
    names = ("domain", "anomalies", *RIVALS)
    head = ["stream", "change", "strength", *names]
    found = table(
        head,
        [
            [study, change, f"{strength:g}", *(found.get(name, "-") for name in names)]
            for (study, change, strength), found in lines.items()
        ],
    )
    unchanged = [row for row in rows if row["detector"] == "any"]
    told = [f"{r['change']}: {r['early']} of {r['repeats']} streams warned of" for r in unchanged]
    return "\n".join([found, *told])


def _said(row: Row) -> str:
    noticed, repeats, early = row["noticed"], row["repeats"], row["early"]
    delay = f"{np.median(row['delays']):.0f}" if noticed > repeats / 2 else "-"
    text = f"{delay} ({noticed / repeats:.0%})"
    return f"{text}, {early} early" if early else text


def main() -> None:
    """Run, or print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("study", nargs="?", choices=("numbers", "images"))
    parser.add_argument("dataset", nargs="?")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--class", dest="normal")
    parser.add_argument("--near")
    parser.add_argument("--far")
    parser.add_argument("--to")
    parser.add_argument("--streams", type=int, default=1000)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--table", type=Path, nargs="*")
    options = parser.parse_args()
    if options.table:
        print(table_of([row for path in options.table for row in read_lines(path)]))
    elif options.study is None or options.out is None:
        parser.error("give a study and --out, or --table")
    else:
        rows = list(numbers(options) if options.study == "numbers" else images(options))
        write_lines(options.out, rows)
        print(table_of(rows))


if __name__ == "__main__":
    main()
