"""What a cluster of Ray costs and brings on one machine, and what its scheduling costs alone.

Usage: python benchmarks/ray_scale.py [--images 20000] [--method auto] [--stages local,ray,killed]
           [--planned 1000000] [--out FILE.json]

The images are those of elpv (PNG files of 300 x 300 pixels), listed again and again until there are
enough. A detector
is fitted once, mono- to polycrystalline. Nothing is read from or put into the embedding cache.
Stages, one after the other:

- `local`: `Detector.score` of all of them in this process, with all cores;
- `ray`: the same by `run_on_ray` with a worker a core, the start of Ray included;
- `killed`: the same, and a worker is killed (signal 9) after a third and after two thirds;
- `one` and `two`: a quarter of the images by one and by two workers of one core; the rate is that
  of the last two thirds, when all workers have started;
- `schedule`: `--planned` made-up rows by workers that look at nothing and write their scores: what
  is left is planning, handing out, writing and recording.

Each stage reports wall seconds, images a second and processor seconds (`cpu`; on Ray those of its
own processes and of workers that died, too), those on Ray also whether every image is in the
results once and has the score of `local`, bit by bit and at most how far off.
Prints one JSON object. Other work on the machine changes all figures: `load` is the load average.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from pyarrow import parquet

from twofold import Detector
from twofold.benchmark.elpv import load_cells
from twofold.cluster import ScoreJob, ray_session, run_on_ray
from twofold.cluster.sources import Paths
from twofold.cluster.work import Looked
from twofold.images import ImageSet

__all__ = ["WorkerKiller", "check_scores", "main", "schedule"]

Row = dict[str, Any]


@dataclass(frozen=True)
class MadeUp:
    """A job that looks at no image: its rows are made up."""

    kind: str = "scores"

    def identity(self) -> Mapping[str, Any]:
        """Nothing decides about made-up rows."""
        return {"made": "up"}

    def columns(self) -> Mapping[str, str]:
        """Those of scores."""
        return {"image": "string", "score": "double", "problem": "string"}

    def open(self) -> Callable[[ImageSet], Looked]:
        """A table of as many rows as images, with noise for scores."""

        def look(images: ImageSet) -> Looked:
            n = len(images)
            scores = np.random.default_rng(n).standard_normal(n)
            problems = pa.nulls(n, pa.string())
            names = pa.array(images.names, pa.string())
            return Looked(pa.table({"image": names, "score": scores, "problem": problems}))

        return look


def descendants(pid: int) -> dict[int, str]:
    """The processes below one, with what they are called; of this machine only (Linux)."""
    parents: dict[int, int] = {}
    names: dict[int, str] = {}
    for entry in Path("/proc").iterdir():
        if not entry.name.isdecimal():
            continue
        try:
            fields = (entry / "stat").read_text().rpartition(")")[2].split()
            names[int(entry.name)] = (entry / "cmdline").read_bytes().split(b"\0")[0].decode()
            parents[int(entry.name)] = int(fields[1])
        except (OSError, ValueError):  # gone meanwhile
            continue
    found = {pid: ""}
    while more := {p: names[p] for p, q in parents.items() if q in found and p not in found}:
        found |= more
    return found


def cpu_seconds(pid: int) -> float:
    """Processor time of a process, of those below it, and of those of theirs that have ended."""
    ticks = 0
    for one in descendants(pid):
        with suppress(OSError, ValueError, IndexError):
            fields = Path(f"/proc/{one}/stat").read_text().rpartition(")")[2].split()
            ticks += sum(int(field) for field in fields[11:15])
    return ticks / os.sysconf("SC_CLK_TCK")


class WorkerKiller:
    """Kills a worker of this process's own cluster whenever a share of the images is done.

    Args:
        shares: of the images, ascending.
    """

    def __init__(self, shares: tuple[float, ...]) -> None:
        self._shares = list(shares)
        self.killed: list[int] = []

    def __call__(self, what: str, done: int, total: int) -> None:
        """Told of the progress."""
        del what
        if self._shares and done >= self._shares[0] * total:
            self._shares.pop(0)
            threading.Thread(target=self._kill, daemon=True).start()

    def _kill(self) -> None:
        workers = [p for p, name in descendants(os.getpid()).items() if "MapWorker" in name]
        for pid in workers[:1]:
            os.kill(pid, signal.SIGKILL)
            self.killed.append(pid)


def check_scores(out: Path, names: tuple[str, ...], scores: NDArray[np.float64]) -> Row:
    """Compare a folder of results with what one process has found."""
    table = parquet.read_table(out)
    rows = table["row"].to_numpy()
    order = np.argsort(rows, kind="stable")
    once = np.array_equal(rows[order], np.arange(len(names)))
    same = once and tuple(table["image"].take(pa.array(order)).to_pylist()) == names
    found = table["score"].to_numpy(zero_copy_only=False)[order]
    off = np.abs(found - scores) if same else np.array([np.inf])
    return {
        "rows": len(table),
        "each_image_once": bool(same),
        "equal_bits": bool(same and np.array_equal(found, scores, equal_nan=True)),
        "most_off": float(np.nanmax(off)),
    }


def schedule(planned: int, rows: int, folder: Path, cpus: int | None = None) -> Row:
    """Plan, hand out, write and record made-up rows; then ask for the same again."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    paths = Paths(tuple(f"archive/{i // 1000:06}/{i:09}.png" for i in range(planned)))
    figures: Row = {"rows": planned, "rows_a_shard": rows}
    with ray_session(cpus=cpus):
        for stage in ("first", "again"):
            start = time.perf_counter()
            found = run_on_ray(MadeUp(), [paths], folder / "made", rows_a_shard=rows)
            figures[f"{stage}_seconds"] = time.perf_counter() - start
            figures[f"{stage}_resumed"] = found.n_resumed
    table = parquet.read_table(folder / "made", columns=["row"])
    found_rows = np.sort(table["row"].to_numpy())
    figures["each_row_once"] = bool(np.array_equal(found_rows, np.arange(planned)))
    figures["shards"] = found.n_shards
    # With the list of paths itself.
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    figures["driver_mib_more"] = (peak - before) / 1024
    return figures


def fitted_model(folder: Path, n: int, method: str, fitted: int) -> tuple[Path, tuple[str, ...]]:
    """A saved model, and n names of image files."""
    mono, poly = (load_cells(kind).paths for kind in ("mono", "poly"))
    Detector(method=method).fit(list(mono[:fitted]), list(poly[:fitted])).save(folder / "model")
    names = mono + poly
    return folder / "model", tuple(names[i % len(names)] for i in range(n))


def timed(n: int, start: float, cpu: float) -> Row:
    """Wall and processor seconds since, images a second, and how busy the machine is."""
    seconds, used = time.perf_counter() - start, cpu_seconds(os.getpid()) - cpu
    rate, load = n / seconds, os.getloadavg()[0]
    return {"seconds": seconds, "cpu": used, "images_a_second": rate, "load": load}


def score_locally(model: Path, names: tuple[str, ...]) -> tuple[Row, NDArray[np.float64]]:
    """In this process."""
    start, cpu = time.perf_counter(), cpu_seconds(os.getpid())
    detector = Detector.load(model)
    detector.cached = False
    scores = detector.score(list(names)).scores
    return timed(len(names), start, cpu), scores


def score_on_ray(
    model: Path,
    names: tuple[str, ...],
    out: Path,
    *,
    workers: int | None = None,
    killer: WorkerKiller | None = None,
    start_too: bool = True,
) -> Row:
    """By workers of one core each."""
    start, cpu = time.perf_counter(), cpu_seconds(os.getpid())
    first: list[tuple[float, int]] = []

    def progress(what: str, done: int, total: int) -> None:
        if done and (not first or (len(first) == 1 and 3 * done >= total)):
            first.append((time.perf_counter(), done))
        if killer is not None:
            killer(what, done, total)

    job, rows = ScoreJob.of(str(model)), min(1000, max(1, len(names) // 20))
    with ray_session():
        run_on_ray(job, [Paths(names)], out, rows_a_shard=rows, workers=workers, progress=progress)
        end = timed(len(names), start, cpu)
    end["seconds_to_first"] = first[0][0] - start
    when, done = first[-1]
    end["seconds_to_end_of_ray"] = time.perf_counter() - start
    if not start_too:
        end["images_a_second"] = (len(names) - done) / (start + end["seconds"] - when)
    return end | ({} if killer is None else {"killed": len(killer.killed)})


def main() -> None:
    """See the module."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--images", type=int, default=20000)
    parser.add_argument("--fitted", type=int, default=200, help="images of each domain in the fit")
    parser.add_argument("--method", default="auto")
    parser.add_argument("--stages", default="local,ray,killed,one,two,schedule")
    parser.add_argument("--planned", type=int, default=1_000_000)
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    stages = given.stages.split(",")
    figures: Row = {"images": given.images, "method": given.method, "cores": os.cpu_count()}
    with tempfile.TemporaryDirectory(prefix="ray-scale-") as text:
        folder = Path(text)
        if set(stages) - {"schedule"}:
            measure(stages, folder, given, figures)
        if "schedule" in stages:
            figures["schedule"] = schedule(given.planned, 1000, folder)
            print(f"schedule: {figures['schedule']}", file=sys.stderr)
    text = json.dumps(figures, indent=2)
    print(text)
    if given.out is not None:
        given.out.write_text(text + "\n", encoding="utf-8")


def measure(stages: list[str], folder: Path, given: argparse.Namespace, figures: Row) -> None:
    """The stages that score."""
    model, names = fitted_model(folder, given.images, given.method, given.fitted)
    scores: NDArray[np.float64] | None = None

    def note(stage: str, row: Row, out: Path | None, n: int) -> None:
        if out is not None and scores is not None:
            row |= check_scores(out, names[:n], scores[:n])
        figures[stage] = row
        print(f"{stage}: {row}", file=sys.stderr, flush=True)

    for stage in stages:
        n, out = len(names), folder / stage
        if stage == "local":
            row, scores = score_locally(model, names)
            note(stage, row, None, n)
        elif stage == "ray":
            note(stage, score_on_ray(model, names, out), out, n)
        elif stage == "killed":
            killer = WorkerKiller((1 / 3, 2 / 3))
            note(stage, score_on_ray(model, names, out, killer=killer), out, n)
        elif stage in ("one", "two"):
            few, workers = names[: n // 4], 1 if stage == "one" else 2
            row = score_on_ray(model, few, out, workers=workers, start_too=False)
            note(stage, row, out, len(few))


if __name__ == "__main__":
    main()
