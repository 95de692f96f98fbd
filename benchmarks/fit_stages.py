"""What a fit of `auto` spends its time on, by the number of images.

Usage: python benchmarks/fit_stages.py [--images 250,500,1000] [--repeats 3] [--out FILE.json]

Solar cells of the elpv package, labels unused: half of the images are monocrystalline cells, the
source, and half polycrystalline ones, the pool. Each fit is a process of its own, first with an
empty cache and then, several times, with the cache that it left. The sizes take turns within a
repeat, so that other work on the machine hits all of them alike; medians count.

Stages are cumulative seconds of functions on the main thread, from Python's own profiler, which
makes a fit some percent slower. `encode` is the reading of the images: with an empty cache decoding
and the network, with a full one the digests of the files and what the cache keeps. Pictures for the
report are made by another thread beside the tests of `evidence`; the stage ends when both have.
`all` and `cpu` are the whole fit's, imports of libraries included; peak memory is the process's.

Prints Markdown tables. Of the stages of a second fit it also prints the exponents: the slope of the
logarithm of the seconds over that of the number of images.
"""

from __future__ import annotations

import argparse
import cProfile
import json
import pstats
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from processes import numbers_of, peak_mib

from twofold.benchmark.elpv import load_cells
from twofold.detector import Detector

# Stage -> functions, by the end of their file's path and their name.
STAGES = {
    "headers": [("detector/inputs.py", "find_fit_images"), ("auto/method.py", "_first_look")],
    "encode": [("detector/reading.py", "read_fit")],
    "lesser group": [("densities/robust.py", "majority")],
    "whole images": [
        ("views/global_view.py", "choose_global_weight"),
        ("views/global_view.py", "fit_global"),
        ("views/global_view.py", "cross_fit_global"),
    ],
    "patches": [("auto/size_fit.py", "fit_size")],
    "made-up flaws": [("auto/choice.py", "settle")],
    "evidence": [("detector/fitting.py", "fit_method"), ("detector/fitting.py", "fit_distinct")],
}


def image_lists(count: int) -> tuple[list[str], list[str]]:
    """Source and pool, half of the images each."""
    generator = np.random.default_rng(0)
    source, pool = (
        [str(path) for path in generator.permutation(load_cells(domain).paths)[: count // 2]]
        for domain in ("mono", "poly")
    )
    return source, pool


def seconds_of(stats: Any, path: str, name: str) -> float:
    """Cumulative, of all functions of that name in a file."""
    found = [
        entry[3]
        for (file, _, function), entry in stats.items()
        if function == name and Path(file).as_posix().endswith(path)
    ]
    return float(sum(found))


def work(count: int) -> dict[str, float]:
    """One fit, in this process."""
    source, pool = image_lists(count)
    warnings.simplefilter("ignore")  # notes to the user
    profile, start, cpu = cProfile.Profile(), time.perf_counter(), time.process_time()
    profile.enable()
    Detector().fit(source, pool)
    profile.disable()
    whole = {"all": time.perf_counter() - start, "cpu": time.process_time() - cpu}
    stats = pstats.Stats(profile).stats  # type: ignore[attr-defined]
    times = {
        stage: [seconds_of(stats, *function) for function in functions]
        for stage, functions in STAGES.items()
    }
    # The whole, less the method's own part.
    first, *others = times["evidence"]
    stages = {stage: sum(each) for stage, each in times.items()} | {"evidence": first - sum(others)}
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return stages | whole | {"peak_mib": peak_mib(usage)}


def measured(counts: list[int], repeats: int) -> list[dict[str, Any]]:
    """All fits: with an empty cache once, and with a full one."""
    runs = []
    with tempfile.TemporaryDirectory() as folder:
        for repeat in range(repeats + 1):
            for count in counts:
                arguments = ["--work", str(count)]
                found = numbers_of(__file__, arguments, f"{folder}/{count}", f"{count} images")
                run = {"images": count, "cache": "full" if repeat else "empty"} | found
                runs.append(run)
                print(json.dumps(run), file=sys.stderr)
    return runs


def tables(runs: list[dict[str, Any]], counts: list[int]) -> str:
    """Of both kinds of fits, as Markdown."""
    names = [*STAGES, "all", "cpu", "peak_mib"]
    lines = []
    for cache in ("empty", "full"):
        head = " | ".join(f"{count} images" for count in counts)
        last = " exponent |" if cache == "full" else ""
        lines += [f"\nCache {cache}:\n", f"| seconds | {head} |{last}"]
        lines.append("| --- " * (1 + len(counts) + bool(last)) + "|")
        for name in names:
            values = [
                [run[name] for run in runs if (run["images"], run["cache"]) == (count, cache)]
                for count in counts
            ]
            cells = [
                f"{median(own):.{0 if name == 'peak_mib' else 2}f}"
                + (f" ({min(own):.2f} to {max(own):.2f})" if len(own) > 1 and name == "all" else "")
                for own in values
            ]
            if last:
                logs = np.log([max(median(own), 1e-3) for own in values])
                slope = np.polyfit(np.log(counts), logs, 1)[0] if len(counts) > 1 else np.nan
                cells.append(f"{slope:.2f}")
            lines.append(f"| {name} | {' | '.join(cells)} |")
    return "\n".join(lines)


def main() -> None:
    """Measure, or do the one piece of work that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", default="250,500,1000", help="comma-separated")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--out", type=Path, help="write all runs as JSON, too")
    parser.add_argument("--work", type=int, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work)))
        return
    counts = [int(count) for count in options.images.split(",")]
    runs = measured(counts, options.repeats)
    print(tables(runs, counts))
    if options.out is not None:
        options.out.write_text(json.dumps(runs, indent=1) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
