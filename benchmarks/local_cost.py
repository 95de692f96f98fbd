"""What patches cost `auto`: seconds, images per second, memory and bytes by locality.

Usage: python benchmarks/local_cost.py [--repeats 3] [--images 1000] [--out docs/results/local]

Solar cells of the elpv package, labels unused: half of the images from the monocrystalline cells
are the source and as many polycrystalline ones the target of a fit (findings, threshold and saving
included), and as many others as both together are scored. Each fit and each scoring is a process of
its own, once without any cache (`TWOFOLD_CACHE=off`: every image is decoded and goes through the
network, which is prepared anew) and once with a cache that knows all images.

The localities take turns within a repeat (A B C A B C ...), so that other work on the machine hits
all of them alike; medians count. `seconds` go from files to a saved model or to scores, the loading
of the network included; `cpu_seconds` and `peak_mib` (resident) are the whole process's, which also
starts Python. Prints Markdown tables and writes `cost.json`.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from processes import cpu_seconds, numbers_of, peak_mib

from twofold.benchmark.elpv import load_cells
from twofold.detector import Detector
from twofold.encoders.encode import FrozenEncoder
from twofold.encoders.encoder import load_encoder
from twofold.images import ImageSet
from twofold.method_table import METHODS
from twofold.methods import parse_config

LOCALITIES = ("global", "local", "both")


def image_lists(count: int) -> tuple[list[str], list[str], list[str]]:
    """Source, target and images to score: count / 2, count / 2 and count files, none twice."""
    generator = np.random.default_rng(0)
    mono, poly = (
        [str(path) for path in generator.permutation(load_cells(domain).paths)]
        for domain in ("mono", "poly")
    )
    half = count // 2
    rest = (mono[half:] + poly[half:])[:count]
    if len(rest) < count:
        raise SystemExit(f"--images: elpv has too few cells for {count}")
    return mono[:half], poly[:half], rest


def work(task: str, locality: str, model: Path, count: int) -> dict[str, float]:
    """One fit or one scoring, in this process."""
    source, target, rest = image_lists(count)
    warnings.simplefilter("ignore")  # notes to the user
    start = time.perf_counter()
    if task == "fit":
        Detector(locality=locality).fit(source, target).save(model)
    else:
        Detector.load(model).decision_function(rest)
    seconds = time.perf_counter() - start
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return {
        "seconds": seconds,
        "cpu_seconds": cpu_seconds(usage),
        "peak_mib": peak_mib(usage),
    }


def in_own_process(
    task: str, locality: str, model: Path, count: int, cache: str
) -> dict[str, float]:
    """The same in a fresh interpreter."""
    arguments = ["--images", str(count), "--task", task]
    arguments += ["--locality", locality, "--model", str(model)]
    return numbers_of(__file__, arguments, cache, f"{task} {locality}")


def bytes_cached(locality: str) -> int:
    """Of the arrays that the cache keeps of one image after a fit and a scoring."""
    kind = METHODS.load("auto")
    outputs = parse_config(kind, {"locality": locality}).outputs()
    # A fit always reads whole vectors, for the evidence.
    frozen = FrozenEncoder(load_encoder(), (*outputs, "pooled"))
    one = frozen.encode(ImageSet.from_paths(load_cells("mono").paths[:1]))
    return sum(array.nbytes for array in one.arrays.values())


def folder_bytes(folder: Path) -> int:
    """Of all files of a saved model."""
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def measured(repeats: int, count: int) -> list[dict[str, Any]]:
    """All runs of all localities, in turn."""
    runs: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as folder:
        warm = Path(folder) / "cache"
        models = {name: Path(folder) / f"{name}.twofold" for name in LOCALITIES}
        for task in ("fit", "score"):  # fills the cache
            in_own_process(task, "both", models["both"], count, str(warm))
        for repeat in range(repeats):
            for cache in ("off", "warm"):
                for task in ("fit", "score"):
                    for name in LOCALITIES:
                        place = str(warm) if cache == "warm" else "off"
                        run = in_own_process(task, name, models[name], count, place)
                        keys = {"task": task, "cache": cache, "locality": name}
                        runs.append(keys | run)
                        print(f"{repeat} {task} {cache} {name} {run}", file=sys.stderr)
        sizes = {name: folder_bytes(models[name]) for name in LOCALITIES}
    return [run | {"model_bytes": sizes[run["locality"]]} for run in runs]


def summary(runs: list[dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Medians over the repeats."""
    rows = []
    cached = {name: bytes_cached(name) for name in LOCALITIES}
    for key in dict.fromkeys((run["task"], run["cache"], run["locality"]) for run in runs):
        mine = [run for run in runs if (run["task"], run["cache"], run["locality"]) == key]
        middle = {
            name: median(run[name] for run in mine)
            for name in ("seconds", "cpu_seconds", "peak_mib")
        }
        rows.append(
            dict(zip(("task", "cache", "locality"), key, strict=True))
            | middle
            | {
                "images_per_second": count / middle["seconds"],
                "cached_bytes_per_image": cached[key[2]],
                "model_bytes": mine[0]["model_bytes"],
            }
        )
    return rows


def print_table(rows: list[dict[str, Any]]) -> None:
    """As Markdown."""
    print("| task | cache | locality | seconds | images/s | CPU seconds | peak MiB |")
    print("| --- | --- | --- | --- | --- | --- | --- |")
    for row in rows:
        print(
            f"| {row['task']} | {row['cache']} | `{row['locality']}` | {row['seconds']:.1f} "
            f"| {row['images_per_second']:.0f} | {row['cpu_seconds']:.0f} | {row['peak_mib']:.0f} |"
        )
    print("\n| locality | cached bytes per image | model folder, bytes |\n| --- | --- | --- |")
    for name in LOCALITIES:
        row = next(row for row in rows if row["locality"] == name)
        print(f"| `{name}` | {row['cached_bytes_per_image']:,} | {row['model_bytes']:,} |")


def main() -> None:
    """Measure, or do the one piece of work that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--out", type=Path, default=Path("docs/results/local"))
    for name in ("--task", "--locality", "--model"):
        parser.add_argument(name, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.task:
        found = work(options.task, options.locality, Path(options.model), options.images)
        print(json.dumps(found))
        return
    runs = measured(options.repeats, options.images)
    rows = summary(runs, options.images)
    print_table(rows)
    result = {
        "encoder": load_encoder().spec.id,
        "images": options.images,
        "repeats": options.repeats,
        "note": "timed beside other jobs on a machine of two cores; medians of interleaved runs",
        "medians": rows,
        "runs": runs,
    }
    options.out.mkdir(parents=True, exist_ok=True)
    text = json.dumps(result, indent=1) + "\n"
    (options.out / "cost.json").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
