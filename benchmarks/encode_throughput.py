"""Frozen encoding end to end (decode included) against the same engine on ready tensors.

Usage: python benchmarks/encode_throughput.py FOLDER [--images 2000] [--repeats 5] [--out FILE.json]

The engine alone, decoding alone (by as many threads) and the whole take turns in one process, so
that other work on the machine hits all of them alike. Prints every repeat, and medians with ranges.
"""

from __future__ import annotations

import argparse
import json
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from auto_tables import table
from peers.machine import machine
from peers.tables import spread

from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.outputs import BATCH
from twofold.encoders.pixels import preprocess
from twofold.encoders.settings import MAX_STREAMS
from twofold.images import ImageSet, find_images


def ready_rate(engine: Engine, tensors: list[np.ndarray], workers: int) -> float:
    """Images per second of the engine alone, with every stream busy."""
    with ThreadPoolExecutor(workers) as pool:
        start = time.perf_counter()
        list(pool.map(engine, tensors))
        return len(tensors) * BATCH / (time.perf_counter() - start)


def end_to_end_rate(frozen: FrozenEncoder, images: ImageSet) -> float:
    """Images per second from files to vectors, without a cache."""
    start = time.perf_counter()
    frozen.encode(images)
    return len(images) / (time.perf_counter() - start)


def decode_rate(images: ImageSet, workers: int) -> float:
    """Images per second of decoding alone."""
    with ThreadPoolExecutor(workers) as pool:
        start = time.perf_counter()
        for _ in pool.map(lambda row: images.load(row).decode().size, range(len(images))):
            pass
        return len(images) / (time.perf_counter() - start)


def ready_tensors(images: ImageSet, encoder: Encoder) -> list[np.ndarray]:
    """Batches of pixels as the network takes them."""
    size = encoder.spec.preprocessing.size
    tensors = []
    for start in range(0, len(images), BATCH):
        tensors.append(np.zeros((BATCH, size, size, 3), dtype=np.uint8))
        batch = [images.load(i).decode() for i in range(start, start + BATCH)]
        preprocess(batch, encoder.spec.preprocessing, out=tensors[-1])
    return tensors


def measured(images: ImageSet, repeats: int) -> list[dict[str, float]]:
    """Images per second, and CPU milliseconds of each image, by repeat."""
    encoder = load_encoder()
    frozen, tensors = FrozenEncoder(encoder), ready_tensors(images, encoder)
    workers = min(os.cpu_count() or 1, MAX_STREAMS)
    engine = make_engine(encoder)
    ready_rate(engine, tensors[:20], workers)
    work: dict[str, Callable[[], float]] = {
        "ready": lambda: ready_rate(engine, tensors, workers),
        "decode": lambda: decode_rate(images, workers),
        "whole": lambda: end_to_end_rate(frozen, images),
    }
    rows = []
    for _ in range(repeats):
        row: dict[str, float] = {}
        for name, rate in work.items():
            cpu = time.process_time()
            row[name] = rate()
            row[f"{name}_cpu_ms"] = 1e3 * (time.process_time() - cpu) / len(images)
        rows.append(row | {"ratio": row["whole"] / row["ready"]})
        print(", ".join(f"{name} {value:.3g}" for name, value in rows[-1].items()))
    return rows


def main() -> None:
    """Measure in turn, several times, and print every repeat."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    found = find_images(options.folder)
    order = np.random.default_rng(0).permutation(len(found))
    images = found.subset(order[: min(options.images, len(found)) // BATCH * BATCH])
    rows = measured(images, options.repeats)
    labels = {"ready": "engine on ready pixels", "decode": "decoding", "whole": "end to end"}
    body = [
        [
            label,
            *(
                spread([row[key] for row in rows], n)
                for key, n in ((name, 1), (f"{name}_cpu_ms", 2))
            ),
        ]
        for name, label in labels.items()
    ]
    body.append(["end to end / engine", spread([row["ratio"] for row in rows], 3), ""])
    print(table([f"{len(images)} images", "images/s", "CPU ms an image"], body))
    if options.out is not None:
        content = {"machine": machine(), "images": len(images), "rows": rows}
        options.out.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
