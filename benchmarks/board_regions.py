"""Where the flaws of circuit boards are found (DeepPCB): boxes hit, and pictures.

Usage: python benchmarks/board_regions.py --root FOLDER [--layers 16] [--state 0] [--picture FILE]

`auto` without places at 640 px. A threshold on the maps is set so that normal test boards have one
region above it on average (which takes labels; the product has no such threshold yet). A box is
hit if any of its pixels lies above. Markdown on stdout.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import direction, table
from numpy.typing import NDArray
from PIL import Image, ImageDraw
from scipy.ndimage import label

from twofold import Detector
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive

Map = NDArray[np.float32]
Boxes = list[tuple[int, int, int, int]]


def boxes_of(path: Path) -> Boxes:
    """Left, top, right, bottom of each flaw of a defective board."""
    text = (path.parent.parent / "boxes" / f"{path.stem}.txt").read_text(encoding="utf-8")
    found = ([int(part) for part in line.replace(",", " ").split()] for line in text.splitlines())
    return [(line[0], line[1], line[2], line[3]) for line in found if line]


def threshold(maps: list[Map], regions: float = 1.0) -> float:
    """The lowest value above which maps have at most so many regions on average."""
    low, high = (float(f(values)) for f, values in ((np.median, maps[0]), (np.max, maps)))
    for _ in range(30):
        middle = (low + high) / 2
        n = sum(int(label(values > middle)[1]) for values in maps) / len(maps)
        low, high = (middle, high) if n > regions else (low, middle)
    return high


def hits(maps: list[Map], boxes: list[Boxes], value: float) -> list[tuple[int, bool]]:
    """Longer side of each box, and whether any of its pixels lies above."""
    return [
        (max(right - left, bottom - top), bool((found[top:bottom, left:right] > value).any()))
        for found, own in zip(maps, boxes, strict=True)
        for left, top, right, bottom in own
    ]


def draw(detector: Detector, paths: list[Path], value: float, target: Path) -> None:
    """Boards with their boxes, and below them, on the board in grey, what lies above."""
    side = 320
    sheet = Image.new("RGB", (side * len(paths), 2 * side), (255, 255, 255))
    for column, (path, found) in enumerate(zip(paths, detector.maps(paths), strict=True)):
        assert found.values is not None
        assert found.image is not None
        pixels = np.asarray(found.image.convert("RGB")) // 3 + 160
        pixels[found.values > value] = (200, 0, 0)
        marked = found.image.copy()
        pen = ImageDraw.Draw(marked)
        for box in boxes_of(path) if path.parent.name == "defective" else []:
            pen.rectangle(box, outline=(220, 0, 0), width=4)
        for row, picture in enumerate((marked, Image.fromarray(pixels))):
            sheet.paste(picture.resize((side, side)), (column * side, row * side))
    sheet.save(target, optimize=True)


def main() -> None:
    """Fit, count, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="folder of DeepPCB")
    parser.add_argument("--layers", type=int, nargs="+", default=[16])
    parser.add_argument("--state", type=int, default=0)
    parser.add_argument("--picture", type=Path, help="PNG file of the first direction")
    given = parser.parse_args()
    dataset = DATASETS.load("pcb")(given.root)
    options: dict[str, Any] = {"locality": "local", "places": "none", "image_size": 640}
    options |= {"layers": given.layers, "neighbourhood": 1}
    body = []
    for number, (near, far) in enumerate(dataset.directions):
        source, target = dataset.domain(near), dataset.domain(far)
        split = uda_inductive(target.labels("normal"), random_state=given.state)
        known = [source.paths[row] for row in np.flatnonzero(source.labels("normal") == 0)]
        test = [Path(target.paths[row]) for row in split.test]
        detector = Detector(options=options, random_state=given.state)
        detector.fit(known, [target.paths[row] for row in split.pool])
        normal = [path for path, odd in zip(test, split.test_labels, strict=True) if not odd]
        flawed = [path for path, odd in zip(test, split.test_labels, strict=True) if odd]
        value = threshold([m.values for m in detector.maps(normal) if m.values is not None])
        maps = [m.values for m in detector.maps(flawed) if m.values is not None]
        found = hits(maps, [boxes_of(path) for path in flawed], value)
        shares = [f"{100 * np.mean([hit for _, hit in found]):.1f} of {len(found)}"]
        for least, most in ((0, 30), (30, 40), (40, 1000)):
            sized = [hit for size, hit in found if least <= size < most]
            shares.append(f"{100 * np.mean(sized):.1f} of {len(sized)}" if sized else "none")
        body.append([direction(f"{near}->{far}"), *shares])
        if number == 0 and given.picture is not None:
            draw(detector, [*flawed[:4], normal[0]], value, given.picture)
    print(table(["direction", "all boxes", "below 30 px", "30 to 39 px", "from 40 px"], body))


if __name__ == "__main__":
    main()
