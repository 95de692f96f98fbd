"""Where the flaws of circuit boards are found (DeepPCB): boxes hit, and pictures.

Usage: python benchmarks/board_regions.py --root FOLDER [--rate 1] [--states 3] [--picture FILE]

`auto` as it is, no option set. Its regions are called anomalous at a stated number of false regions
a normal image, without any label; a flaw is hit if the box of such a region meets its box. Markdown
on stdout: regions a normal test board, and flaws hit, by size, over all random states.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from auto_tables import direction, table
from PIL import Image, ImageDraw

from twofold import Detector
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.detector.regions import ImageRegions, Region

Boxes = list[tuple[int, int, int, int]]


def boxes_of(path: Path) -> Boxes:
    """Left, top, right, bottom of each flaw of a defective board."""
    text = (path.parent.parent / "boxes" / f"{path.stem}.txt").read_text(encoding="utf-8")
    found = ([int(part) for part in line.replace(",", " ").split()] for line in text.splitlines())
    return [(line[0], line[1], line[2], line[3]) for line in found if line]


def hits(found: ImageRegions, boxes: Boxes) -> list[tuple[int, bool]]:
    """Longer side of each flaw, and whether an anomalous region meets it."""
    alarms = [region for region in found.regions if region.anomalous]
    return [
        (max(box[2] - box[0], box[3] - box[1]), any(meets(region, box) for region in alarms))
        for box in boxes
    ]


def meets(region: Region, box: tuple[int, int, int, int]) -> bool:
    """Whether two boxes have a pixel in common."""
    left, top, right, bottom = box
    across = region.x < right and left < region.x + region.width
    return across and region.y < bottom and top < region.y + region.height


def draw(detector: Detector, paths: list[Path], rate: float, target: Path) -> None:
    """Boards with the boxes of their flaws, and below them in grey with the regions found."""
    side = 320
    sheet = Image.new("RGB", (side * len(paths), 2 * side), (255, 255, 255))
    found = detector.regions(paths, region_rate=rate)
    for column, (path, own) in enumerate(zip(paths, found, strict=True)):
        marked = Image.open(path).convert("RGB")
        grey = Image.fromarray(np.asarray(marked) // 3 + 160)
        pen, lower = ImageDraw.Draw(marked), ImageDraw.Draw(grey)
        for box in boxes_of(path) if path.parent.name == "defective" else []:
            pen.rectangle(box, outline=(220, 0, 0), width=4)
        for region in own.regions:
            if region.anomalous:
                corner = (region.x + region.width, region.y + region.height)
                lower.rectangle((region.x, region.y, *corner), outline=(200, 0, 0), width=4)
        for row, picture in enumerate((marked, grey)):
            sheet.paste(picture.resize((side, side)), (column * side, row * side))
    sheet.save(target, optimize=True)


def main() -> None:
    """Fit, count, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of DeepPCB")
    parser.add_argument("--rate", type=float, default=1.0, help="stated false regions an image")
    parser.add_argument("--states", type=int, default=3)
    parser.add_argument("--picture", type=Path, help="PNG file of the first direction")
    given = parser.parse_args()
    dataset = DATASETS.load("pcb")(given.root)
    body = []
    for number, (near, far) in enumerate(dataset.directions):
        source, target = dataset.domain(near), dataset.domain(far)
        known = [source.paths[row] for row in np.flatnonzero(source.labels("normal") == 0)]
        false: list[int] = []
        found: list[tuple[int, bool]] = []
        for state in range(given.states):
            split = uda_inductive(target.labels("normal"), random_state=state)
            test = [Path(target.paths[row]) for row in split.test]
            detector = Detector(random_state=state)
            detector.fit(known, [target.paths[row] for row in split.pool])
            normal = [path for path, odd in zip(test, split.test_labels, strict=True) if not odd]
            flawed = [path for path, odd in zip(test, split.test_labels, strict=True) if odd]
            false += (
                sum(region.anomalous for region in own.regions)
                for own in detector.regions(normal, region_rate=given.rate)
            )
            for path, own in zip(
                flawed, detector.regions(flawed, region_rate=given.rate), strict=True
            ):
                found += hits(own, boxes_of(path))
            if number == state == 0 and given.picture is not None:
                draw(detector, [*flawed[:4], normal[0]], given.rate, given.picture)
        shares = [f"{np.mean(false):.2f}"]
        for least, most in ((0, 1000), (0, 30), (30, 40), (40, 1000)):
            sized = [hit for size, hit in found if least <= size < most]
            shares.append(f"{100 * np.mean(sized):.1f} of {len(sized)}" if sized else "none")
        body.append([direction(f"{near}->{far}"), *shares])
    heads = ["direction", "false regions", "all flaws", "below 30 px", "30 to 39 px", "from 40 px"]
    print(table(heads, body))


if __name__ == "__main__":
    main()
