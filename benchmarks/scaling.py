"""What a fit takes in time and memory, by the number of images.

Usage: python benchmarks/scaling.py [--images 100,300,1000] [--methods auto,padim] [--limit 600]
           [--most-mib 8000] [--out FILE.jsonl] [--picture FILE.png]

Embeddings are made up, with the shapes of the default encoder's outputs at its own size, and lie on
disk as those of so many real images would (benchmarks/made_rows.py); no image is read and no
network runs. A method that reads one domain gets all n images of it, `auto` half of them as the
source and half as the pool; 5% of a pool are made anomalous. `evidence` is the tests behind the
verdict, on n / 2 vectors of each domain. Made-up flaws need images and are left out: they are
painted on 24 images, however many there are.

Each cell is a process of its own. `seconds` and `cpu` are the fit's, with its threshold; `peak_mib`
is the largest resident memory of the process, libraries and whatever embeddings are held in memory
included, and `before_mib` what it was before the fit. A cell that takes longer or more memory than
allowed is a row that says so, with the memory it had by then, and larger ones of its method are not
tried. With `--out`, cells that are there already are not measured again.

Prints a Markdown table, and the exponents: slopes of logarithms over that of n, by least squares
with 95% intervals (Student's t), from all sizes and from those of 3,000 images and more, where what
does not grow weighs less. Needs a system with `resource`.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from threading import Timer
from typing import Any

import numpy as np
from made_rows import SHAPES, made_images
from processes import peak_mib, waited
from scipy import stats

from twofold.detector import Detector
from twofold.detector.cost import peak_bytes
from twofold.detector.fitting import look_at
from twofold.encoders.encoder import load_encoder
from twofold.method_table import METHODS
from twofold.methods import FitData

Row = dict[str, Any]
SIZES = (100, 300, 1000, 3000, 10000, 30000, 100000)
WHAT = ("frozen_source", "target_only", "padim", "patchcore", "auto", "evidence")
LARGE = 3000
FIGURES = ("seconds", "cpu", "peak_mib")
_COLOURS = ("#7f7f7f", "#0072b2", "#009e73", "#d55e00", "#000000", "#cc79a7")


def work(what: str, n: int, most_mib: int) -> Row:
    """One fit, in this process."""
    warnings.simplefilter("ignore")  # notes to the user
    encoder = load_encoder()
    method = None if what == "evidence" else METHODS.load(what)(encoder)
    outputs = ("pooled",) if method is None else method.config.outputs()
    shapes = {name: SHAPES[name] for name in outputs}
    both = what in ("auto", "evidence")
    known = n // 2 if both else n if what == "frozen_source" else 2
    pool = n - known if both else n if what != "frozen_source" else 0
    source = made_images(known, shapes, seed=0)
    target = made_images(pool, shapes, seed=1, anomalous=0.05) if pool else None
    before = _peak()
    most = most_mib * 2**20 + _address_space()
    resource.setrlimit(resource.RLIMIT_AS, (most, most))
    start, cpu = time.perf_counter(), time.process_time()
    if method is None:
        assert target is not None
        scores = np.random.default_rng(0).random(pool)
        look_at(source, target, scores, false_alarm_rate=0.05, random_state=0)
    else:
        Detector(random_state=0).fit_encoded(method, FitData(source, target))
    return {
        "seconds": round(time.perf_counter() - start, 2),
        "cpu": round(time.process_time() - cpu, 2),
        "before_mib": before,
        "peak_mib": _peak(),
    }


def _peak() -> int:
    """Of this process alone, in MiB."""
    most = peak_bytes()
    assert most is not None
    return round(most / 2**20)


def _address_space() -> int:
    """Bytes that this process has reserved."""
    pages = int(Path("/proc/self/statm").read_text(encoding="utf-8").split()[0])
    return pages * resource.getpagesize()


def measured(what: str, n: int, limit: float, most_mib: int) -> Row:
    """One cell in a process of its own."""
    row = {"what": what, "images": n}
    command = [sys.executable, __file__, "--work", what, "--images", str(n)]
    command += ["--most-mib", str(most_mib)]
    with tempfile.TemporaryFile() as said, tempfile.TemporaryFile() as printed:
        start, process = time.perf_counter(), subprocess.Popen(command, stdout=printed, stderr=said)
        timer = Timer(limit, process.kill)
        timer.start()
        usage = waited(process)
        timer.cancel()
        ended = time.perf_counter() - start
        printed.seek(0)
        said.seek(0)
        out, last = printed.read().decode(), (said.read().decode().strip().splitlines() or [""])[-1]
    if not process.returncode:
        return {**row, **json.loads(out)}
    if process.returncode < 0 and ended >= limit:
        reached = f"{peak_mib(usage):,.0f} MiB by then"
        return row | {"problem": f"more than {limit:.0f} s, {reached}"}
    if "MemoryError" in last or "Unable to allocate" in last:
        return row | {"problem": f"more than {most_mib:,} MiB"}
    raise SystemExit(f"{what}, {n} images: {last or process.returncode}")


def all_cells(options: argparse.Namespace) -> list[Row]:
    """Those that are on file, and the others measured; smaller ones first."""
    rows: list[Row] = []
    if options.out is not None and options.out.exists():
        rows = [json.loads(line) for line in options.out.read_text(encoding="utf-8").splitlines()]
    for n in options.images:
        for what in options.methods:
            mine = [row for row in rows if row["what"] == what]
            if any(row["images"] == n or "problem" in row for row in mine):
                continue
            rows.append(measured(what, n, options.limit, options.most_mib))
            print(json.dumps(rows[-1]), file=sys.stderr, flush=True)
            if options.out is not None:
                with options.out.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(rows[-1]) + "\n")
    return rows


def exponent(images: list[int], values: list[float]) -> tuple[float, float] | None:
    """Slope of the logarithms, and half of its 95% interval; None of fewer than three cells."""
    if len(images) < 3:
        return None
    found = stats.linregress(np.log(images), np.log(np.maximum(values, 1e-2)))
    return float(found.slope), float(stats.t.ppf(0.975, len(images) - 2) * found.stderr)


def tables(rows: list[Row], names: tuple[str, ...]) -> str:
    """All cells and the exponents, as Markdown."""
    sizes = sorted({row["images"] for row in rows})
    head = " | ".join(f"{n:,}" for n in sizes)
    lines = [f"| seconds (peak MiB) by images | {head} |", "| --- " * (1 + len(sizes)) + "|"]
    for what in names:
        by_size = {row["images"]: row for row in rows if row["what"] == what}
        lines.append(f"| `{what}` | {' | '.join(_cell(by_size.get(n)) for n in sizes)} |")
    lines += ["", "| exponent | seconds | CPU seconds | peak MiB | the same from 3,000 images on |"]
    lines.append("| --- " * 5 + "|")
    for what in names:
        mine = [row for row in rows if row["what"] == what and "problem" not in row]
        large = [row for row in mine if row["images"] >= LARGE]
        parts = [_slope(mine, figure) for figure in FIGURES]
        parts.append(", ".join(_slope(large, figure) for figure in FIGURES))
        lines.append(f"| `{what}` | {' | '.join(parts)} |")
    return "\n".join(lines)


def _cell(row: Row | None) -> str:
    if row is None:
        return "-"
    if "problem" in row:
        return str(row["problem"])
    return f"{row['seconds']:.1f} ({row['peak_mib']:,})"


def _slope(rows: list[Row], figure: str) -> str:
    found = exponent([row["images"] for row in rows], [row[figure] for row in rows])
    return "-" if found is None else f"{found[0]:.2f} ± {found[1]:.2f}"


def draw(rows: list[Row], names: tuple[str, ...], path: Path) -> None:
    """CPU seconds and peak memory over the number of images, both axes logarithmic."""
    import matplotlib  # noqa: PLC0415 - of an extra

    matplotlib.use("Agg")
    from matplotlib import pyplot  # noqa: PLC0415

    figure, panels = pyplot.subplots(1, 2, figsize=(9.5, 4.4))
    for what, colour in zip(names, _COLOURS, strict=False):
        mine = [row for row in rows if row["what"] == what and "problem" not in row]
        sizes = [row["images"] for row in mine]
        for panel, key in zip(panels, ("cpu", "peak_mib"), strict=True):
            values = [row[key] for row in mine]
            found = exponent(sizes, values)
            power = "" if found is None else f", n^{found[0]:.2f}"
            panel.plot(sizes, values, "-o", color=colour, ms=4, label=f"{what}{power}")
    every = [row["images"] for row in rows]
    panels[1].axhline(4096, color="#d55e00", lw=1, ls=":")
    panels[1].annotate("4 GiB", (min(every), 4096), va="bottom", color="#d55e00", fontsize=8)
    for panel, title in zip(panels, ("CPU seconds of a fit", "peak memory, MiB"), strict=True):
        panel.set_xscale("log")
        panel.set_yscale("log")
        panel.set_xlabel("images")
        panel.set_title(title)
        panel.legend(frameon=False, fontsize=8)
        panel.grid(alpha=0.25)
    # Room for the legend above the line.
    panels[1].set_ylim(128, 32768)
    ticks = [2**power for power in range(7, 13)]
    panels[1].set_yticks(ticks, [f"{tick:,}" for tick in ticks])
    panels[1].minorticks_off()
    figure.tight_layout()
    figure.savefig(path, dpi=110)
    pyplot.close(figure)


def _numbers(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(","))


def main() -> None:
    """Measure, or do the one piece of work that is measured."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--images", type=_numbers, default=SIZES, help="comma-separated")
    parser.add_argument("--methods", type=lambda text: tuple(text.split(",")), default=WHAT)
    parser.add_argument("--limit", type=float, default=600.0, help="seconds a cell")
    parser.add_argument("--most-mib", type=int, default=8000, help="memory that a fit may add")
    parser.add_argument("--out", type=Path, help="a line of JSON for each cell")
    parser.add_argument("--picture", type=Path)
    parser.add_argument("--work", choices=WHAT, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.work:
        print(json.dumps(work(options.work, options.images[0], options.most_mib)))
        return
    rows = all_cells(options)
    print(tables(rows, options.methods))
    if options.picture is not None:
        draw(rows, options.methods, options.picture)


if __name__ == "__main__":
    main()
