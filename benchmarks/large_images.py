"""Time and memory of large images, against the raw network on as many pixels.

Usage: python benchmarks/large_images.py picture BOARDS   one picture of 5,472 x 3,648 pixels
       python benchmarks/large_images.py fit BOARDS [--images 500] [--side 1024]

BOARDS is the folder of DeepPCB; pictures are put together from its normal boards. Markdown on
stdout. The raw network gives the same stage maps, in batches of eight images of 224 pixels, without
decoding or a cache. Memory is the most that the process ever had.
"""

from __future__ import annotations

import argparse
import itertools
import os
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
from auto_tables import table
from PIL import Image

from twofold import Detector
from twofold.benchmark.datasets.registry import DATASETS
from twofold.detector.cost import peak_bytes
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import load_encoder
from twofold.encoders.engine import make_engine
from twofold.encoders.outputs import BATCH
from twofold.encoders.settings import n_streams
from twofold.images import ImageSet

WIDTH, HEIGHT = 5472, 3648
OUTPUT = "patches@1"
# Seconds of a second scoring, and megabytes.
SCORE = """
import sys, time
from twofold import Detector
from twofold.detector.cost import peak_bytes
detector = Detector.load(sys.argv[1])
detector.decision_function([sys.argv[2]])
start = time.perf_counter()
detector.decision_function([sys.argv[2]])
print(time.perf_counter() - start, (peak_bytes() or 0) / 1e6)
"""
BANK = {"locality": "local", "places": "none", "image_size": "native", "effort": "fast"}


def boards(root: Path, design: str) -> list[Path]:
    """Normal boards of a design."""
    dataset = DATASETS.load("pcb")(root)
    domain = dataset.domain(design)
    return [Path(domain.paths[row]) for row in np.flatnonzero(domain.labels("normal") == 0)]


def mosaic(paths: list[Path], width: int, height: int, seed: int) -> Image.Image:
    """Boards side by side, from a random one and a random place on."""
    rng = np.random.default_rng(seed)
    across, down = width // 640 + 2, height // 640 + 2
    whole = Image.new("RGB", (640 * across, 640 * down))
    for row, column in itertools.product(range(down), range(across)):
        board = Image.open(paths[rng.integers(len(paths))]).convert("RGB")
        whole.paste(board, (640 * column, 640 * row))
    left, top = (int(value) for value in rng.integers(0, 640, 2))
    return whole.crop((left, top, left + width, top + height))


def written(paths: list[Path], folder: Path, n: int, size: tuple[int, int]) -> list[str]:
    """Files of mosaics."""
    folder.mkdir(parents=True)
    files = [folder / f"{number:03}.jpg" for number in range(n)]
    for number, file in enumerate(files):
        mosaic(paths, *size, seed=number).save(file, quality=92)
    return [str(file) for file in files]


def raw_seconds(pixels: int) -> float:
    """Of the network alone on as many pixels, every stream busy."""
    engine = make_engine(load_encoder(), (OUTPUT,))
    batch = np.zeros((BATCH, 224, 224, 3), dtype=np.uint8)
    n = -(-pixels // (BATCH * 224 * 224))
    with ThreadPoolExecutor(n_streams()) as pool:
        list(pool.map(engine, [batch] * 4))
        start = time.perf_counter()
        list(pool.map(engine, [batch] * n))
        return time.perf_counter() - start


def picture(root: Path, folder: Path) -> None:
    """One picture at its own size: encoded, and scored by a process of its own."""
    files = written(boards(root, "13000"), folder / "large", 7, (WIDTH, HEIGHT))
    raw = raw_seconds(WIDTH * HEIGHT)
    images = ImageSet.from_paths(files[:1])
    frozen = FrozenEncoder(load_encoder(), (f"{OUTPUT}/{WIDTH}x{HEIGHT}",))
    frozen.encode(images)
    start = time.perf_counter()
    frozen.encode(images)
    encoded = time.perf_counter() - start
    Detector(options=BANK).fit(files[1:4], files[4:7]).save(folder / "model")
    command = [sys.executable, "-c", SCORE, str(folder / "model"), files[0]]
    out = subprocess.run(command, check=True, capture_output=True, text=True).stdout.split()
    lines = [
        ["raw network", f"{raw:.2f}", "", ""],
        ["encode, decoding included", f"{encoded:.2f}", f"{encoded / raw:.2f}", ""],
        ["score", f"{float(out[0]):.2f}", f"{float(out[0]) / raw:.2f}", f"{float(out[1]):.0f}"],
    ]
    print(table(["one picture of 5,472 x 3,648", "s", "against raw", "MB"], lines))


def fit(root: Path, folder: Path, n: int, side: int) -> None:
    """`auto` as it comes, on pictures of one design and of another."""
    source = written(boards(root, "13000"), folder / "source", n, (side, side))
    target = written(boards(root, "12100"), folder / "target", n, (side, side))
    raw = raw_seconds(2 * n * side * side)
    start = time.perf_counter()
    detector = Detector().fit(source, target)
    seconds = time.perf_counter() - start
    choices = detector.evidence_.choices
    lines = [
        ["raw network", f"{raw:.0f}", "", ""],
        ["fit", f"{seconds:.0f}", f"{seconds / raw:.2f}", f"{(peak_bytes() or 0) / 1e6:.0f}"],
    ]
    print(table([f"{n} + {n} pictures of {side} x {side}", "s", "against raw", "MB"], lines))
    print(f"\nseen at {choices.get('image_size', 224):.0f} px")


def main() -> None:
    """Print the table asked for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("what", choices=("picture", "fit"))
    parser.add_argument("boards", type=Path)
    parser.add_argument("--images", type=int, default=500)
    parser.add_argument("--side", type=int, default=1024)
    options = parser.parse_args()
    # Nothing is looked up: what is measured is the work itself.
    os.environ["TWOFOLD_CACHE"] = "off"
    with tempfile.TemporaryDirectory() as folder:
        if options.what == "picture":
            picture(options.boards, Path(folder))
        else:
            fit(options.boards, Path(folder), options.images, options.side)


if __name__ == "__main__":
    main()
