"""All figures of speed by one command: JSON, tables and pictures in one folder.

Usage: python benchmarks/speed.py --out DIR [--parts throughput,start_up,...] [--repeats 5]

A detector is fitted to solar cells of the elpv package, mono- to polycrystalline, 250 images of
each; then each part is measured by a script of its own, one after the other:

- ``throughput``: decoding, the engine, and both end to end (encode_throughput.py);
- ``start_up``: import, load, the first score, memory (start_up.py);
- ``latency``: one image after the other, beside the engine (latency.py);
- ``fit``: the stages of a first and a second fit, 250 to 1,000 images (fit_stages.py);
- ``scaling``: time and memory of a fit, 100 to 10,000 made-up embeddings (scaling.py).

Half an hour on two free cores. A part whose JSON is in DIR is not measured again, so that an
interrupted run goes on. ``speed.md`` has all tables. Other work on the machine changes all figures
but ratios; the load average before each part stands above its table.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
from fit_stages import STAGES, image_lists
from peers.machine import machine

from twofold import Detector
from twofold.figures import file_axes

HERE = Path(__file__).parent
PARTS = ("throughput", "start_up", "latency", "fit", "scaling")
# Colours of Okabe and Ito (2008), which the colour-blind tell apart.
COLOURS = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#999999")


def commands(out: Path, repeats: int) -> dict[str, list[str]]:
    """The script of each part and its arguments."""
    model, images = str(out / "model"), str(out / "images")
    again = ["--repeats", str(repeats)]
    scaling = ["--out", str(out / "scaling.jsonl"), "--picture", str(out / "scaling.png")]
    sizes = ["--images", "100,300,1000,3000,10000"]
    return {
        "throughput": ["encode_throughput.py", images, *again, *_json(out, "throughput")],
        "start_up": ["start_up.py", model, images, *again, *_json(out, "start_up")],
        "latency": ["latency.py", model, images, *_json(out, "latency")],
        "fit": ["fit_stages.py", *again, *_json(out, "fit")],
        "scaling": ["scaling.py", *sizes, *scaling],
    }


def _json(out: Path, name: str) -> list[str]:
    return ["--out", str(out / f"{name}.json")]


def prepare(out: Path) -> None:
    """A model, and a folder of images that it has not seen."""
    if (out / "model" / "detector.json").exists():
        return
    source, pool = image_lists(500)
    used = set(source) | set(pool)
    (out / "images").mkdir(parents=True, exist_ok=True)
    for row, path in enumerate(path for lists in image_lists(4000) for path in lists):
        if path not in used and not (link := out / "images" / f"{row:04}.png").exists():
            link.symlink_to(path)
    Detector().fit(source, pool).save(out / "model")


def measure(out: Path, parts: Sequence[str], repeats: int) -> None:
    """Run the parts that are not there yet, and keep their tables."""
    for name, command in commands(out, repeats).items():
        text = out / f"{name}.md"
        if name not in parts or text.exists():
            continue
        load = os.getloadavg()[0]
        print(f"{name} ...", file=sys.stderr, flush=True)
        script = [sys.executable, str(HERE / command[0]), *command[1:]]
        done = subprocess.run(script, stdout=subprocess.PIPE, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"{name}: {' '.join(script)} failed")
        text.write_text(f"Load before: {load:.1f}\n\n{done.stdout.strip()}\n", encoding="utf-8")


def _throughput(out: Path) -> None:
    rows = _read(out / "throughput.json")["rows"]
    names = {"decode": "decoding", "ready": "engine", "whole": "end to end"}
    with file_axes(out / "throughput.png", (6.0, 2.2)) as axes:
        for place, name in enumerate(names):
            rates = [row[name] for row in rows]
            axes.barh(place, median(rates), color=COLOURS[place], alpha=0.6)
            axes.plot(rates, [place] * len(rates), "o", color="#333333", markersize=4)
        axes.set_yticks(range(len(names)), list(names.values()))
        axes.invert_yaxis()
        axes.set_xlabel("images a second (bars: medians; dots: repeats)")


def _latency(out: Path) -> None:
    seconds = _read(out / "latency.json")["seconds"]
    kinds = [name for name in seconds if not name.startswith("engine")]
    with file_axes(out / "latency.png", (6.0, 2.6)) as axes:
        for place, kind in enumerate(kinds):
            for offset, name in enumerate((f"engine, {kind}", kind)):
                axes.boxplot(
                    1e3 * np.array(seconds[name]),
                    positions=[3 * place + offset],
                    orientation="horizontal",
                    whis=(1, 99),
                    widths=0.7,
                    showfliers=False,
                    medianprops={"color": COLOURS[5 * offset]},
                )
        ticks = [3 * place + offset for place in range(len(kinds)) for offset in (0, 1)]
        axes.set_yticks(ticks, [f"{kind}{own}" for kind in kinds for own in (", engine alone", "")])
        axes.invert_yaxis()
        axes.set_xlim(left=0)
        axes.set_xlabel("ms for one image (boxes: quartiles; whiskers: 1%, 99%)")


def _fit(out: Path) -> None:
    runs = _read(out / "fit.json")
    cells = sorted({(run["images"], run["cache"]) for run in runs})
    with file_axes(out / "fit.png", (7.0, 3.2)) as axes:
        left = np.zeros(len(cells))
        for stage, colour in zip(STAGES, COLOURS, strict=False):
            width = np.array([_middle(runs, cell, stage) for cell in cells])
            axes.barh(range(len(cells)), width, left=left, color=colour, label=stage)
            left += width
        rest = np.array([_middle(runs, cell, "all") for cell in cells]) - left
        axes.barh(range(len(cells)), rest.clip(0), left=left, color="#dddddd", label="other")
        axes.set_yticks(range(len(cells)), [f"{n:,} images, cache {cache}" for n, cache in cells])
        axes.invert_yaxis()
        axes.set_xlabel("seconds of a fit (medians)")
        axes.legend(
            loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=4, frameon=False, fontsize="small"
        )


def _middle(runs: list[dict[str, Any]], cell: tuple[int, str], stage: str) -> float:
    found = [float(run[stage]) for run in runs if (run["images"], run["cache"]) == cell]
    return median(found)


PICTURES: dict[str, Callable[[Path], None]] = {
    "throughput": _throughput,
    "latency": _latency,
    "fit": _fit,
}


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def write(out: Path) -> None:
    """All tables and pictures that there is something to show of."""
    lines = ["# Speed", "", f"Machine: {json.dumps(machine())}"]
    for name in PARTS:
        table = out / f"{name}.md"
        if not table.exists():
            continue
        if name in PICTURES:
            PICTURES[name](out)
        lines += ["", f"## {name}", "", table.read_text(encoding="utf-8").strip()]
        if (out / f"{name}.png").exists():
            lines += ["", f"![{name}]({name}.png)"]
    (out / "speed.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def main() -> None:
    """Measure what is missing; write tables and pictures."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--parts", default=",".join(PARTS), help="comma-separated")
    parser.add_argument("--repeats", type=int, default=5)
    options = parser.parse_args()
    parts = options.parts.split(",")
    if unknown := sorted(set(parts) - set(PARTS)):
        parser.error(f"--parts {','.join(unknown)}: choose from {', '.join(PARTS)}")
    prepare(options.out)
    measure(options.out, parts, options.repeats)
    write(options.out)
    print(options.out / "speed.md")


if __name__ == "__main__":
    main()
