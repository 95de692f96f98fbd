"""Three streams that change little by little, as `twofold drift --picture` draws them.

Usage: python benchmarks/drift_pictures.py --pacs FOLDER --out FOLDER

- ``cartoons.png``: from photographs of persons to cartoons of persons.
- ``exposure.png``: solar cells that get darker, from image to image.
- ``anomalies.png``: solar cells of which 2% are defective at first, and 20% in the end.

1,200 images each: the first 300 as at the fit, then a change over 600, then 300 more that stay as
the stream is by then. Images are drawn from those that the fit has not seen, with replacement.
Labels make the streams; nothing else sees them. Prints what `drift` says, as JSON lines.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from drift_line import ANOMALIES, Line, normals, read_pixels
from numpy.typing import NDArray
from PIL import Image

from twofold.benchmark.datasets.registry import DATASETS
from twofold.figures import file_axes, plot_drift
from twofold.synthetic import shift_image

BEFORE, TURN, AFTER = 300, 600, 300
BATCH = 64
Course = NDArray[np.float64]
# How far the change has come, 0 to 1, image by image.
COURSE: Course = np.concatenate([np.zeros(BEFORE), np.linspace(0, 1, TURN), np.ones(AFTER)])


def drawn(line: Line, odd: Course, other: Sequence[str], share: Course) -> list[str]:
    """Paths: anomalous with one probability, of the other kind with another."""
    rng = np.random.default_rng(1)
    found = []
    for now_odd, now_other in zip(odd, share, strict=True):
        if rng.random() < now_odd:
            kind = line.anomalous
        else:
            kind = other if rng.random() < now_other else line.normal
        found.append(str(rng.choice(kind)))
    return found


def draw(
    name: str,
    line: Line,
    paths: Sequence[str],
    out: Path,
    change: Callable[[NDArray[np.uint8], int], NDArray[np.uint8]] | None = None,
) -> None:
    """Let drift look at a stream, draw it, print what it says."""
    monitor = line.detector.drift_monitor()
    for start in range(0, len(paths), BATCH):
        some: list[str] | list[Image.Image] = list(paths[start : start + BATCH])
        if change is not None:
            some = [
                Image.fromarray(change(read_pixels(path), start + place))
                for place, path in enumerate(paths[start : start + BATCH])
            ]
        found = line.detector.drift(some, monitor=monitor)
    with file_axes(out / f"{name}.png") as axes:
        plot_drift(monitor, ax=axes)
        axes.axvspan(BEFORE, BEFORE + TURN, alpha=0.08, color="#888888", linewidth=0)
        axes.annotate(
            "the change",
            (BEFORE + TURN / 2, 0.03),
            xycoords=("data", "axes fraction"),
            ha="center",
            color="#555555",
        )
    print(json.dumps({"stream": name} | asdict(found)), flush=True)


def darker(pixels: NDArray[np.uint8], place: int) -> NDArray[np.uint8]:
    """As far as the change has come at this place of the stream."""
    return shift_image(pixels, "grey_level", float(COURSE[place]))


def main() -> None:
    """Fit two detectors and draw three streams."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pacs", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    nothing, few = np.zeros(len(COURSE)), np.full(len(COURSE), ANOMALIES)
    domain = DATASETS.load("elpv")(None).domain
    cells = Line.fitted(domain("mono"), domain("poly"), "functional")
    rising = ANOMALIES + (0.2 - ANOMALIES) * COURSE
    draw("anomalies", cells, drawn(cells, rising, (), nothing), options.out)
    draw("exposure", cells, drawn(cells, few, (), nothing), options.out, darker)
    domain = DATASETS.load("pacs")(options.pacs).domain
    persons = Line.fitted(domain("art_painting"), domain("photo"), "person")
    cartoons = normals(domain("cartoon"), "person")
    draw("cartoons", persons, drawn(persons, few, cartoons, COURSE), options.out)


if __name__ == "__main__":
    main()
