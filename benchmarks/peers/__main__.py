"""twofold beside other libraries: AUROC, seconds, memory and installed size, cell by cell.

Usage (in `benchmarks/`, with the environment of peers/README.md):
    python -m peers FILE [--runs 5] [--cells NAME ...] [--systems NAME ...] [--limit 7200]
                         [--again] [--few N]
    python -m peers FILE --table

Rows as JSON lines in FILE; a second start goes on with what is missing there. A run is a draw of
pool and test and the seed of each system. Runs are the outermost loop, so that an interrupted
measurement has all systems; slow ones (PatchCore, EllipticEnvelope) come last, in one run. A system
that fails is a row with its error; `--again` repeats those. `--few` cuts each list of images to N,
to see that everything works.
"""

from __future__ import annotations

import argparse
import itertools
import json
import signal
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import read_lines
from numpy.typing import NDArray

from peers.cells import CELLS, Cell, Images
from peers.machine import machine
from peers.process import run_worker
from peers.size import installed_megabytes
from peers.systems import SYSTEMS
from peers.tables import Row, key, last_of_each, pages
from twofold.metrics import auroc

_megabytes = cache(installed_megabytes)


def cut(images: Images, labels: NDArray[np.int64], few: int) -> tuple[Images, NDArray[np.int64]]:
    """So many images of each kind; the test keeps normals and anomalies alike."""
    normal, odd = (np.flatnonzero(labels == value)[: few // 2] for value in (0, 1))
    rows = np.concatenate([normal, odd])
    test = tuple(images.test[row] for row in rows)
    # The pool has its normals first and its anomalies last.
    pool = images.pool[: few - few // 10] + images.pool[len(images.pool) - few // 10 :]
    return Images(images.source[:few], pool, test), labels[rows]


def measure(
    system: str, run: int, images: Images, labels: NDArray[np.int64], limit: float
) -> dict[str, Any]:
    """What is measured of one system on one set of images; the labels stay here."""
    found = run_worker(system, run, images, limit)
    scores = np.array(found.pop("scores", ()))
    area = None if found["error"] else auroc(scores[labels == 0], scores[labels == 1])
    total, rest = _megabytes(SYSTEMS[system].distributions)
    counts = {f"n_{name}": len(paths) for name, paths in images.document().items()}
    sizes = {"installed_mb": round(total, 1), "installed_mb_without_cuda": round(rest, 1)}
    return {"auroc": area} | found | counts | sizes


def missing(options: argparse.Namespace) -> Iterator[tuple[int, Cell, str]]:
    """Run, cell and system of what FILE does not have yet."""
    rows = last_of_each(read_lines(options.file)) if options.file.exists() else []
    there = {key(row) for row in rows if row["error"] is None or not options.again}
    for slow in (False, True):
        chosen = [name for name in options.systems if SYSTEMS[name].slow == slow]
        for run in range(1 if slow else options.runs):
            for cell, system in itertools.product(options.cells, chosen):
                if (system, cell.name, run) not in there:
                    yield run, cell, system


def write(options: argparse.Namespace) -> None:
    """Measure what is missing, one after the other; nothing else should run meanwhile."""
    about = machine()
    for run, cell, system in missing(options):
        images, labels = cell.draw(run)
        if options.few:
            images, labels = cut(images, labels, options.few)
        row: Row = {"system": system, "cell": cell.name, "run": run}
        row |= measure(system, run, images, labels, options.limit) | {"machine": about}
        with options.file.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(row) + "\n")
        told = ("auroc", "fit_seconds", "score_seconds", "peak_mib", "error")
        print(run, cell.name, system, *(f"{name}={row.get(name)}" for name in told), flush=True)


def main() -> None:
    """Measure, or print the tables."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    usual = [name for name, system in SYSTEMS.items() if system.usual]
    parser.add_argument("file", type=Path)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--cells", nargs="+", type=Cell.named, default=CELLS)
    parser.add_argument("--systems", nargs="+", choices=SYSTEMS, default=usual, metavar="NAME")
    parser.add_argument("--limit", type=float, default=7200, help="seconds of one process")
    parser.add_argument("--again", action="store_true", help="repeat what failed")
    parser.add_argument("--few", type=int, default=0)
    parser.add_argument("--table", action="store_true")
    options = parser.parse_args()
    # As an interrupt from the keyboard: the worker is ended, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("terminated"))
    if options.table:
        print(pages(read_lines(options.file)))
    else:
        write(options)


if __name__ == "__main__":
    main()
