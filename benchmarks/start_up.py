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
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from processes import cpu_seconds, peak_mib, waited

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
    usage = waited(process)
    seconds = time.perf_counter() - start
    if process.returncode:
        raise SystemExit(f"{' '.join(command)} failed")
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds(usage),
        "peak_mib": peak_mib(usage),
    }


def one_by_one(model: str, images: Sequence[str], cache: Path) -> dict[str, list[float]]:
    """Seconds of a resident detector for each of some images, as files and as arrays."""
    environment = surroundings(cache)
    command = [sys.executable, "-c", _ONE_BY_ONE, model, *images]
    said = subprocess.run(command, capture_output=True, text=True, check=True, env=environment)
    found: dict[str, list[float]] = json.loads(said.stdout)
    # The first of each compiles the network.
    return {kind: seconds[1:] for kind, seconds in found.items()}


def table_of(rows: dict[str, list[dict[str, float]]], each: dict[str, list[float]]) -> str:
    """All that was measured, as Markdown: medians, and ranges where there are repeats."""
    # After all is measured: no process tells a lower peak than the memory of the one it comes from.
    from auto_tables import table  # noqa: PLC0415
    from peers.tables import spread  # noqa: PLC0415

    digits = {"seconds": 2, "cpu_seconds": 2, "peak_mib": 0}
    body = [
        [name, *(spread([row[key] for row in repeats], n) for key, n in digits.items())]
        for name, repeats in rows.items()
    ]
    body += [
        [f"one image after the other, {kind}", spread(seconds, 3), "", ""]
        for kind, seconds in each.items()
    ]
    return table(["what", "seconds", "CPU seconds", "peak MiB"], body)


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
    if options.out:
        from peers.machine import machine  # noqa: PLC0415 - likewise

        content: dict[str, Any] = {"machine": machine(), "processes": rows, "one_by_one": each}
        Path(options.out).write_text(json.dumps(content, indent=1), encoding="utf-8")
    print(table_of(rows, each))


if __name__ == "__main__":
    main()
