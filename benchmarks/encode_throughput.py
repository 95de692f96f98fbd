"""Frozen encoding end to end (decode included) against the same engine on ready tensors.

Usage: python benchmarks/encode_throughput.py FOLDER [--images 2000] [--repeats 3]
"""

from __future__ import annotations

import argparse
import itertools
import os
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import load_encoder
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


def main() -> None:
    """Measure in turn, several times, and print every pair."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--images", type=int, default=2000)
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    found = find_images(arguments.folder)
    order = np.random.default_rng(0).permutation(len(found))
    images = found.subset(order[: arguments.images // BATCH * BATCH])
    encoder = load_encoder()
    frozen = FrozenEncoder(encoder)
    size = encoder.spec.preprocessing.size
    tensors = []
    for start in range(0, len(images), BATCH):
        tensors.append(np.zeros((BATCH, size, size, 3), dtype=np.uint8))
        batch = [images.load(i).decode() for i in range(start, start + BATCH)]
        preprocess(batch, encoder.spec.preprocessing, out=tensors[-1])
    workers = min(os.cpu_count() or 1, MAX_STREAMS)
    engine = make_engine(encoder)
    ready_rate(engine, tensors[:20], workers)
    for _ in range(arguments.repeats):
        cpu = [time.process_time()]
        ready = ready_rate(engine, tensors, workers)
        cpu.append(time.process_time())
        whole = end_to_end_rate(frozen, images)
        cpu.append(time.process_time())
        first, second = (1e3 * (b - a) / len(images) for a, b in itertools.pairwise(cpu))
        print(
            f"ready {ready:6.1f} img/s ({first:.2f} CPU ms each)   "
            f"end to end {whole:6.1f} img/s ({second:.2f})   ratio {whole / ready:.3f}"
        )


if __name__ == "__main__":
    main()
