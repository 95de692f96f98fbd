"""How long it takes until something happens: import, load, the first score; and the memory for it.

Usage: python benchmarks/start_up.py MODEL IMAGES [--repeats 5] [--out FILE.json]

MODEL is a saved model, IMAGES a folder with more images than repeats, each of which is scored once.
Every measurement is a process of its own, as a user starts one: wall-clock seconds, CPU seconds and
peak resident memory, median and range of the repeats. The cache is a fresh one, which one run fills
before the first measurement (the network is converted then), so that the figures are those of a
warm start; that first run is the cold start, measured once. Prints a Markdown table.
Needs a system with `os.wait4`.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

# Of ru_maxrss: kibibytes on Linux, bytes on macOS.
_PER_MIB = 2**20 if sys.platform == "darwin" else 2**10
_LOAD = "import sys; from twofold import Detector; Detector.load(sys.argv[1])"
_ONE_BY_ONE = """
import json, sys, time
import numpy as np
from PIL import Image
from twofold import Detector
detector, seconds = Detector.load(sys.argv[1]), {"file": [], "array": []}
for path in sys.argv[2:]:
    for kind in seconds:
        image = path if kind == "file" else np.asarray(Image.open(path).convert("RGB"))[None]
        if kind == "array":  # other pixels than the file's, which are in the cache now
            image = image[:, ::-1].copy()
        start = time.perf_counter()
        detector.decision_function(image)
        seconds[kind].append(time.perf_counter() - start)
print(json.dumps(seconds))
"""


def surroundings(cache: Path) -> dict[str, str]:
    """The environment of a measurement: compiled modules are kept, as they are of a package."""
    kept = {k: v for k, v in os.environ.items() if k != "PYTHONDONTWRITEBYTECODE"}
    return kept | {"TWOFOLD_CACHE": str(cache)}


def measured(command: Sequence[str], cache: Path) -> dict[str, float]:
    """One process: ``seconds``, ``cpu_seconds`` and ``peak_mib``."""
    environment = surroundings(cache)
    start = time.perf_counter()
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment
    )
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return {
        "seconds": seconds,
        "cpu_seconds": usage.ru_utime + usage.ru_stime,
        "peak_mib": usage.ru_maxrss / _PER_MIB,
    }


def one_by_one(model: str, images: Sequence[str], cache: Path) -> dict[str, list[float]]:
    """Seconds of a resident detector for each of some images, as files and as arrays."""
    environment = surroundings(cache)
    command = [sys.executable, "-c", _ONE_BY_ONE, model, *images]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, list[float]] = json.loads(said.stdout)
    # The first of each compiles the network.
    return {kind: seconds[1:] for kind, seconds in found.items()}


def summary(values: Sequence[float]) -> tuple[float, float, float]:
    """Median, least and most."""
    return statistics.median(values), min(values), max(values)


def lines(rows: dict[str, list[dict[str, float]]], each: dict[str, list[float]]) -> list[str]:
    """The Markdown table of all that was measured."""
    found = ["| what | seconds | CPU seconds | peak MiB |", "| --- | --- | --- | --- |"]
    for name, repeats in rows.items():
        cells = [name]
        for key, digits in (("seconds", 2), ("cpu_seconds", 2), ("peak_mib", 0)):
            middle, least, most = summary([row[key] for row in repeats])
            span = f" ({least:.{digits}f} to {most:.{digits}f})" if len(repeats) > 1 else ""
            cells.append(f"{middle:.{digits}f}{span}")
        found.append("| " + " | ".join(cells) + " |")
    for kind, seconds in each.items():
        middle, least, most = summary([1000 * second for second in seconds])
        name = f"one image after the other, {kind}, milliseconds"
        found.append(f"| {name} | {middle:.0f} ({least:.0f} to {most:.0f}) | | |")
    return found


def main() -> None:
    """Measure, print and write."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("model")
    parser.add_argument("images")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--out")
    options = parser.parse_args()
    images = sorted(str(path) for path in Path(options.images).iterdir())
    python, command = [sys.executable, "-c"], [sys.executable, "-m", "twofold"]
    score = [*command, "score", options.model]
    with tempfile.TemporaryDirectory() as folder:
        cache = Path(folder)
        cold = [measured([*score, images[0]], cache)]
        rows = {"`twofold score`, one image, cold": cold}
        repeats = range(options.repeats)
        for name, words in {
            "`import numpy`": [*python, "import numpy"],
            "`from twofold import Detector`": [*python, "from twofold import Detector"],
            "`Detector.load`": [*python, _LOAD, options.model],
            "`twofold --help`": [*command, "--help"],
        }.items():
            rows[name] = [measured(words, cache) for _ in repeats]
        name = "`twofold score`, one image, warm"
        rows[name] = [measured([*score, images[row + 1]], cache) for row in repeats]
        rest = images[options.repeats + 1 :]
        each = one_by_one(options.model, rest[:100], cache)
    machine = {
        "system": platform.platform(),
        "processor": platform.processor(),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
    }
    if options.out:
        content: dict[str, Any] = {"machine": machine, "processes": rows, "one_by_one": each}
        Path(options.out).write_text(json.dumps(content, indent=1), encoding="utf-8")
    print("\n".join(lines(rows, each)))


if __name__ == "__main__":
    main()
