"""The smallest visible flaw: what a fit says of it, and what is flagged of flaws it never saw.

Usage: python benchmarks/smallest_flaw.py DATASET [--root FOLDER] [--class NAME] [--state 0]
       [--out FILE] [--picture FILE]

For each direction: the share of made-up flaws of each size that `fit` says it flags, with its
interval, and the share that the detector flags on normal test images: of flaws of the same kinds,
and of another generator's (discs and straight lines, lighter or darker by 40 to 120 levels). Labels
choose the sets; the fit sees none. Markdown on stdout, rows as JSON lines in FILE.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from auto_tables import collected, direction, read_lines, table
from numpy.typing import NDArray
from PIL import Image

from twofold import Detector
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.synthetic import GRADES, flaw_pixels, graded_flaws

Pixels = NDArray[np.uint8]
# Test images that flaws are painted on, one of each size each.
IMAGES = 60


def painted(image: Pixels, n: int, rng: np.random.Generator) -> Pixels:
    """A disc or a line of about ``n`` pixels at a random place."""
    height, width = image.shape[:2]
    rows, columns = np.indices((height, width))
    row, column, angle = rng.uniform(0, height), rng.uniform(0, width), rng.uniform(0, math.pi)
    if rng.random() < 0.5:
        inside = np.hypot(rows - row, columns - column) <= math.sqrt(n / math.pi)
    else:
        along = (rows - row) * math.sin(angle) + (columns - column) * math.cos(angle)
        across = (rows - row) * math.cos(angle) - (columns - column) * math.sin(angle)
        wide = max(1.0, math.sqrt(n / 12))
        inside = (np.abs(along) <= n / wide / 2) & (np.abs(across) <= wide / 2)
    inside[int(row) % height, int(column) % width] = True
    change = rng.uniform(40, 120) * (1 if image[inside].mean() < 127.5 else -1)
    flawed = image.astype(np.float64)
    flawed[inside] += change
    return np.asarray(np.clip(np.rint(flawed), 0, 255), dtype=np.uint8)


def rows(dataset: Any, name: str, state: int) -> Iterator[dict[str, Any]]:
    """A row each direction and size."""
    for near, far in dataset.directions:
        source, target = dataset.domain(near), dataset.domain(far)
        split = uda_inductive(target.labels(name), random_state=state)
        known = [source.paths[row] for row in np.flatnonzero(source.labels(name) == 0)]
        detector = Detector(random_state=state)
        detector.fit(known, [target.paths[row] for row in split.pool])
        said = detector.evidence_.visible_flaws
        assert said is not None
        rng = np.random.default_rng([state, 1])
        normal = split.test[split.test_labels == 0]
        images = []
        for row in rng.permutation(normal)[:IMAGES]:
            with Image.open(target.paths[row]) as picture:
                images.append(np.asarray(picture.convert("RGB")))
        same = [
            [flaw.image for flaw in graded_flaws(image, place, rng, images[place - 1])]
            for place, image in enumerate(images)
        ]
        for place, share in enumerate(GRADES):
            flawed = [
                painted(image, flaw_pixels(image.shape[0], image.shape[1], share), rng)
                for image in images
            ]
            yield {
                "dataset": dataset.id,
                "direction": f"{near}->{far}",
                "side": said.sides[place],
                "said": said.flagged[place],
                "low": said.low[place],
                "high": said.high[place],
                "measured": float(np.mean(detector.predict([own[place] for own in same]) == 1)),
                "other": float(np.mean(detector.predict(flawed) == 1)),
                "images": len(images),
                "false_alarms": float(np.mean(detector.predict(images) == 1)),
            }


def print_table(found: Sequence[dict[str, Any]]) -> None:
    """Said and measured, by direction and size."""
    body = []
    for row in found:
        inside = row["low"] <= row["measured"] <= row["high"]
        said = f"{row['said']:.0%} ({row['low']:.0%} to {row['high']:.0%})"
        cells = [f"{row['dataset']} {direction(row['direction'])}", f"{row['side']:.0f} px", said]
        measured = [f"{row['measured']:.0%}", "yes" if inside else "no", f"{row['other']:.0%}"]
        body.append([*cells, *measured])
    heads = ["data", "side of the flaw", "said", "same kinds", "within", "other kinds"]
    print(table(heads, body))
    within = sum(row["low"] <= row["measured"] <= row["high"] for row in found)
    print(f"\nWithin the interval: {within} of {len(found)}.")


def draw(found: Sequence[dict[str, Any]], path: Path) -> None:
    """A panel each direction, a row each dataset."""
    datasets: dict[str, dict[str, list[dict[str, Any]]]] = {}
    for row in found:
        datasets.setdefault(row["dataset"], {}).setdefault(row["direction"], []).append(row)
    across, down = max(map(len, datasets.values())), len(datasets)
    figure, panels = plt.subplots(
        down, across, figsize=(4 * across, 3.4 * down), sharey=True, squeeze=False
    )
    for line, (dataset, directions) in zip(panels, datasets.items(), strict=True):
        line[0].set_ylabel("share flagged")
        for panel, (name, own) in zip(line, directions.items(), strict=False):
            draw_panel(panel, f"{dataset} {direction(name)}", own)
        for panel in line[len(directions) :]:
            panel.axis("off")
    figure.legend(*panels[0][0].get_legend_handles_labels(), loc="upper center", ncols=4)
    figure.tight_layout(rect=(0, 0, 1, 0.96))
    figure.savefig(path, dpi=100)


def draw_panel(panel: Any, title: str, own: Sequence[dict[str, Any]]) -> None:
    """Shares flagged over sizes, of one direction."""
    sides = [row["side"] for row in own]
    low, high = ([row[end] for row in own] for end in ("low", "high"))
    panel.fill_between(sides, low, high, color="tab:blue", alpha=0.2, linewidth=0)
    panel.plot(sides, [row["said"] for row in own], "o-", color="tab:blue", label="said")
    measured = [row["measured"] for row in own]
    panel.plot(sides, measured, "s--", color="tab:red", label="measured, same kinds")
    other = [row["other"] for row in own]
    panel.plot(sides, other, "^:", color="tab:orange", label="measured, other kinds")
    panel.axhline(own[0]["false_alarms"], color="grey", linewidth=0.8, label="normal images")
    panel.set(xscale="log", xlabel="side of the flaw, px", title=title, ylim=(-0.02, 1.02))
    panel.set_xticks(sides, [f"{side:.0f}" for side in sides])
    panel.minorticks_off()


def main() -> None:
    """Run, or draw rows that are there."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("dataset", nargs="*", help="none: show the rows of FILE")
    parser.add_argument("--root", type=Path, help="folder of the dataset")
    parser.add_argument("--class", dest="name", help="the normal class; the first when left out")
    parser.add_argument("--state", type=int, default=0)
    parser.add_argument("--out", type=Path, help="file of JSON lines")
    parser.add_argument("--picture", type=Path, help="PNG file")
    given = parser.parse_args()
    if given.dataset:
        dataset = DATASETS.load(given.dataset[0])(given.root)
        found = collected(rows(dataset, given.name or dataset.classes[0], given.state), given.out)
    else:
        found = read_lines(given.out)
    print_table(found)
    if given.picture is not None:
        draw(found, given.picture)


if __name__ == "__main__":
    main()
