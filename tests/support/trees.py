"""Small copies of the real datasets' folders, with pictures that have classes and domains.

A class is a shape of a colour, a domain the tint behind it. Everything is a function of a seed.
"""

from __future__ import annotations

import colorsys
import math
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw

from twofold.benchmark.datasets import DATASETS

# dataset -> domain -> (where the class folders lie, the image's name), as released.
LAYOUTS = {
    "office31": {
        "amazon": ("amazon/images", "frame_{:04d}.jpg"),
        "webcam": ("webcam/images", "frame_{:04d}.jpg"),
    },
    "officehome": {
        "clipart": ("Clipart", "{:05d}.jpg"),
        "product": ("Product", "{:05d}.jpg"),
    },
    "visda2017": {
        "cad": ("train", "src_{}_model.png"),
        "real": ("validation", "real_{}.jpg"),
    },
    "pacs": {
        "photo": ("photo", "056_{:04d}.jpg"),
        "art_painting": ("art_painting", "pic_{:03d}.jpg"),
        "cartoon": ("cartoon", "pic_{:03d}.jpg"),
        "sketch": ("sketch", "{}.png"),
    },
}


def make_tree(
    root: Path, dataset_id: str, per_class: int = 6, size: int = 48, seed: int = 0
) -> Path:
    """Write ``per_class`` images of every class and domain of a dataset; return ``root``.

    For ``folders``: 2 x ``per_class`` in ``source``, ``per_class`` normals and one anomaly in
    ``target``, ``per_class`` in each folder of ``test``, and ``per_class`` // 2 in ``shots``.
    """
    if dataset_id == "folders":
        return _make_folders(root, per_class, size, seed)
    classes = DATASETS.load(dataset_id).classes
    for tint, (folder, name) in enumerate(LAYOUTS[dataset_id].values()):
        for kind, label in enumerate(classes):
            place = root / folder / label
            place.mkdir(parents=True)
            for number in range(1, per_class + 1):
                rng = np.random.default_rng([seed, tint, kind, number])
                draw(kind, len(classes), tint, size, rng).save(place / name.format(number))
    return root


def draw(kind: int, n_kinds: int, tint: int, size: int, rng: np.random.Generator) -> Image.Image:
    """One picture of class ``kind`` of ``n_kinds`` in domain ``tint``; no two are equal."""
    behind = 255 * np.array(colorsys.hsv_to_rgb(0.15 + 0.23 * tint, 0.5, 0.4 + 0.12 * tint))
    red, green, blue = colorsys.hsv_to_rgb(kind / n_kinds, 0.9, 0.9)
    image = Image.new("RGB", (size, size), tuple(behind.astype(int)))
    centre, radius = rng.uniform(0.42, 0.58, 2) * size, rng.uniform(0.28, 0.38) * size
    corners, turn = 3 + kind % 5, rng.uniform(0, 0.4)
    angles = [turn + 2 * math.pi * corner / corners for corner in range(corners)]
    points = [
        (centre[0] + radius * math.cos(angle), centre[1] + radius * math.sin(angle))
        for angle in angles
    ]
    ImageDraw.Draw(image).polygon(points, fill=(int(255 * red), int(255 * green), int(255 * blue)))
    pixels = np.asarray(image, dtype=float) + rng.normal(0, 6, (size, size, 3))
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def _make_folders(root: Path, per_class: int, size: int, seed: int) -> Path:
    parts = {  # folder -> tint, kinds of its images (0 = normal)
        "source": (0, [0] * 2 * per_class),
        "target": (1, [0] * per_class + [1]),
        "test/normal": (1, [0] * per_class),
        "test/anomalous": (1, [1] * per_class),
        "shots": (1, [0] * (per_class // 2)),
    }
    for part, (folder, (tint, kinds)) in enumerate(parts.items()):
        (root / folder).mkdir(parents=True)
        for number, kind in enumerate(kinds):
            rng = np.random.default_rng([seed, part, number])
            draw(kind, 2, tint, size, rng).save(root / folder / f"{number:03d}.png")
    return root
