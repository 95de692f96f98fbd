"""What 8-bit integers and 16-bit floats would gain in time and cost in AUROC on this machine.

Usage: python benchmarks/precision.py DATASET A:B CLASS [--root FOLDER] [--size 150]
       [--options NAME=JSON ...] [--out FILE.json]

One cell of a benchmark, cut down: as many source normals, twice as many images of the pool (a tenth
of them anomalies) and of the test. `auto` is fitted and scored with vectors of each precision, its
threshold included. `int8` is the network that NNCF (pip install nncf; not a dependency) makes with
100 images of the pool, whose labels nobody asks for; `bf16` and `f16` are OpenVINO's hints, which
a CPU without such units passes over: the table shows the precision that it really runs in.

Seconds are of one image at a time through the engine alone, precisions in turn, so that other work
hits all of them alike. Prints a row of a Markdown table for each precision.
"""

from __future__ import annotations

import argparse
import json
import threading
import time
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import table
from numpy.typing import NDArray

from twofold import Detector
from twofold.benchmark.datasets import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.encoders.converted import import_openvino
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import to_openvino
from twofold.encoders.inference import Engines
from twofold.encoders.pixels import LazyPixels
from twofold.encoders.sides import AtSide, by_side
from twofold.images import ImageSet
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.metrics import auroc
from twofold.threads import PerProcess

PRECISIONS = ("f32", "bf16", "f16", "int8")
_CALIBRATION = 100


class Compiled:
    """An engine of one precision; one image a call.

    Attributes:
        outputs: names.
        runs_in: the precision of floating point numbers that the device has chosen.
    """

    def __init__(self, side: AtSide, precision: str, calibration: NDArray[np.uint8]) -> None:
        self.outputs = side.bases
        model = to_openvino(side.encoder, side.bases)
        if precision == "int8":
            import nncf  # type: ignore[import-not-found,unused-ignore]  # noqa: PLC0415

            data = nncf.Dataset([calibration[row : row + 1] for row in range(len(calibration))])
            model = nncf.quantize(model, data, subset_size=len(calibration))
        hint = "f32" if precision == "int8" else precision
        settings = {"INFERENCE_PRECISION_HINT": hint, "NUM_STREAMS": 1, "ENABLE_CPU_PINNING": False}
        compiled = import_openvino().Core().compile_model(model, "CPU", settings)
        self.runs_in = str(compiled.get_property("INFERENCE_PRECISION_HINT")).split("'")[1]
        self._request, self._lock = compiled.create_infer_request(), threading.Lock()

    def __call__(self, images: NDArray[np.uint8]) -> tuple[NDArray[np.float32], ...]:
        """See :class:`twofold.encoders.engine.Engine`."""
        with self._lock:
            rows = [self._one(images[row : row + 1]) for row in range(len(images))]
        return tuple(np.concatenate(parts) for parts in zip(*rows, strict=True))

    def _one(self, image: NDArray[np.uint8]) -> list[NDArray[np.float32]]:
        self._request.infer({0: image})
        return [np.array(output.data, np.float32) for output in self._request.output_tensors]


def engines_of(
    encoder: Encoder, outputs: tuple[str, ...], precision: str, images: ImageSet
) -> dict[Any, Compiled]:
    """One engine for each size at which images are seen."""
    found = {}
    for side in by_side(encoder, outputs):
        pixels = LazyPixels(images, side.preprocessing)[:_CALIBRATION]
        found[(side.shape, side.bases)] = Compiled(side, precision, pixels)
    return found


def in_turn(engines: dict[str, Any], repeats: int = 30) -> dict[str, float]:
    """Median milliseconds of an image, through all engines of each precision."""
    pixels = {
        key: np.random.default_rng(0).integers(0, 256, (1, *key[0], 3), dtype=np.uint8)
        for key in next(iter(engines.values()))
    }
    seconds: dict[str, list[float]] = {name: [] for name in engines}
    for _ in range(repeats):
        for name, own in engines.items():
            start = time.perf_counter()
            for key, engine in own.items():
                engine(pixels[key])
            seconds[name].append(time.perf_counter() - start)
    return {name: 1e3 * float(np.median(every)) for name, every in seconds.items()}


def main() -> None:
    """Fit and score in every precision, print the table."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("dataset")
    parser.add_argument("direction")
    parser.add_argument("name", metavar="class")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--size", type=int, default=150)
    parser.add_argument("--options", nargs="*", default=[])
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    warnings.simplefilter("ignore")
    dataset = DATASETS.load(given.dataset)(given.root)
    source, target = (dataset.domain(place) for place in given.direction.split(":"))
    split = uda_inductive(target.labels(given.name), pool_size=2 * given.size, random_state=0)
    some = np.random.default_rng(0).permutation(len(split.test))[: 2 * given.size]
    normals = np.flatnonzero(source.labels(given.name) == 0)
    chosen = np.random.default_rng(0).permutation(normals)[: given.size]
    known = ImageSet.from_paths(source.paths).subset(chosen)
    every = ImageSet.from_paths(target.paths)
    pool, test = every.subset(split.pool), every.subset(split.test[some])
    odd = split.test_labels[some] == 1
    options = {"effort": "fast"} | {
        name: json.loads(value) for name, value in (text.split("=", 1) for text in given.options)
    }
    auto, encoder = METHODS.load("auto"), load_encoder()
    config = parse_config(auto, options)
    outputs = config.outputs()
    mixed = pool.subset(np.random.default_rng(0).permutation(len(pool)))
    compiled = {name: engines_of(encoder, outputs, name, mixed) for name in PRECISIONS}
    rows: list[dict[str, Any]] = []
    for name, own in compiled.items():
        runs_in = next(iter(own.values())).runs_in
        if name in ("bf16", "f16") and runs_in == "float32":
            rows.append({"precision": name, "runs_in": runs_in})
            continue
        shared: Engines = {key: PerProcess(_given(engine)) for key, engine in own.items()}
        frozen = FrozenEncoder(encoder, outputs, engine="openvino", engines=shared)
        encoded = [frozen.encode(images) for images in (known, pool, test)]
        detector = Detector(false_alarm_rate=0.05)
        detector.fit_encoded(auto(encoder, config), FitData(encoded[0], encoded[1]))
        found = detector.score_encoded(encoded[2])
        rows.append(
            {
                "precision": name,
                "runs_in": runs_in,
                "auroc": float(auroc(found.scores[~odd], found.scores[odd])),
                "false_alarms": float((found.anomalous[~odd] == 1).mean()),
                "detected": float((found.anomalous[odd] == 1).mean()),
            }
        )
    for row, (_, milliseconds) in zip(rows, in_turn(compiled).items(), strict=True):
        row["milliseconds"] = milliseconds
    print_rows(rows, given)


def _given(engine: Compiled) -> Callable[[], Any]:
    return lambda: engine


def print_rows(rows: list[dict[str, Any]], given: argparse.Namespace) -> None:
    """A line each precision."""
    cell = f"{given.dataset} {given.direction} {given.name}"
    if given.out:
        given.out.write_text(json.dumps({"cell": cell, "rows": rows}, indent=1), encoding="utf-8")
    keys = ("auroc", "false_alarms", "detected")
    body = [
        [cell, row["precision"], row["runs_in"], f"{row['milliseconds']:.1f}"]
        + [f"{100 * row[key]:.1f}" if key in row else "as f32" for key in keys]
        for row in rows
    ]
    heads = ["cell", "precision", "floats run in", "ms an image", "AUROC", "false alarms, %"]
    print(table([*heads, "detected, %"], body))


if __name__ == "__main__":
    main()
