"""How long a resident detector takes for one image, beside what the engine alone takes for it.

Usage: python benchmarks/latency.py MODEL IMAGES [--images 200] [--cache DIR] [--out FILE.json]

MODEL is a saved model, IMAGES a folder, of which as many are taken at random. The detector is
loaded and warmed up once, and then each image is scored from its file, as a PIL image that is
decoded already, and as an array. Its engine runs on the same pixels, resized, alone and on all
cores, as the detector has it. They take turns in one process, ten images each, so that other work
on the machine hits all of them alike.

Images given as PIL images are mirrored and as arrays turned upside down, since the cache would
know their vectors otherwise. It starts empty (`--cache off`: there is none), so that each image is
looked up, encoded and stored. Prints a Markdown table: median and 99th percentile in milliseconds,
and their ratios to the engine's.
"""

from __future__ import annotations

import argparse
import json
import os
import tempfile
import time
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import table
from numpy.typing import NDArray
from peers.machine import machine
from PIL import Image, ImageOps

from twofold import Detector
from twofold.encoders.engine import make_engine
from twofold.encoders.pixels import preprocess
from twofold.encoders.sides import by_side
from twofold.images import find_images

Run = Callable[[], object]
TURN = 10  # images


def seconds_of(run: Run) -> float:
    """Wall-clock time of one call."""
    start = time.perf_counter()
    run()
    return time.perf_counter() - start


class Alone:
    """The engines that a detector runs, on pixels that are ready."""

    def __init__(self, detector: Detector) -> None:
        encoder = detector.method_.encoder
        outputs = detector.method_.config.outputs()
        self._sides = [
            (side, make_engine(side.encoder, side.bases, detector.engine))
            for side in by_side(encoder, outputs)
        ]
        for _, engine in self._sides:
            engine.prepare_few()

    def ready(self, image: Image.Image) -> list[NDArray[np.uint8]]:
        """An image's pixels for each engine."""
        found = []
        for side, _ in self._sides:
            found.append(np.zeros((1, *side.shape, 3), dtype=np.uint8))
            preprocess([image], side.preprocessing, out=found[-1])
        return found

    def run(self, ready: list[NDArray[np.uint8]]) -> None:
        """Every engine once."""
        for (_, engine), pixels in zip(self._sides, ready, strict=True):
            engine(pixels)


def ways(path: str) -> dict[str, Any]:
    """One image in every form, each with pixels of its own."""
    image = Image.open(path).convert("RGB")
    return {
        "file": path,
        "PIL image": ImageOps.mirror(image),
        "array": np.ascontiguousarray(np.asarray(image)[::-1]),
    }


def measured(detector: Detector, paths: list[str]) -> dict[str, list[float]]:
    """Seconds of each image, by the form it is given in, and of the engine for the same."""
    alone = Alone(detector)
    found: dict[str, list[float]] = {}
    for start in range(0, len(paths), TURN):
        given = [ways(path) for path in paths[start : start + TURN]]
        for kind in given[0]:
            images = [forms[kind] for forms in given]
            ready = [alone.ready(find_images(image).load(0).decode()) for image in images]
            own = found.setdefault(kind, [])
            own += [seconds_of(partial(detector.decision_function, image)) for image in images]
            engine = found.setdefault(f"engine, {kind}", [])
            engine += [seconds_of(partial(alone.run, pixels)) for pixels in ready]
    return found


def summary(found: dict[str, list[float]]) -> list[dict[str, Any]]:
    """Median and 99th percentile of each form and of the engine beside it, milliseconds."""
    rows = []
    for kind in (name for name in found if not name.startswith("engine")):
        own, engine = (
            [1e3 * float(np.quantile(found[name], share)) for share in (0.5, 0.99)]
            for name in (kind, f"engine, {kind}")
        )
        more = np.median(1e3 * (np.array(found[kind]) - np.array(found[f"engine, {kind}"])))
        rows.append({"kind": kind, "own": own, "engine": engine, "more": float(more)})
    return rows


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images")
    parser.add_argument("--images", dest="count", type=int, default=200)
    parser.add_argument("--cache", help="folder, or off; a fresh one when left out")
    parser.add_argument("--out")
    options = parser.parse_args()
    every = find_images(options.images).names
    chosen = np.random.default_rng(0).permutation(len(every))[: options.count]
    warnings.simplefilter("ignore")  # notes to the user
    with tempfile.TemporaryDirectory() as folder:
        os.environ["TWOFOLD_CACHE"] = options.cache or folder
        detector = Detector.load(options.model)
        start = [seconds_of(detector.warm_up), seconds_of(detector.warm_up)]
        found = measured(detector, [every[row] for row in chosen])
    rows = summary(found)
    if options.out:
        content = {"machine": machine(), "warm_up": start, "seconds": found, "summary": rows}
        Path(options.out).write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(f"warm-up: {start[0]:.2f} s, again {start[1]:.2f} s; {len(chosen)} images")
    head = ["given as", "p50, ms", "engine", "ratio", "p99, ms", "engine", "ratio", "more, ms"]
    body = []
    for row in rows:
        pairs = zip(row["own"], row["engine"], strict=True)
        cells = [[f"{own:.1f}", f"{alone:.1f}", f"{own / alone:.2f}"] for own, alone in pairs]
        body.append([row["kind"], *cells[0], *cells[1], f"{row['more']:.1f}"])
    print(table(head, body))


if __name__ == "__main__":
    main()
