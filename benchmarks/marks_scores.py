"""Scores of `auto` on held-out test images, with their labels: what benchmarks/marks.py marks.

Usage: python benchmarks/marks_scores.py --out FILE [--pacs FOLDER] [--pcb FOLDER]

Solar cells in both directions; with their folders, a few cells of PACS and the boards of DeepPCB,
design 13000 to 12100. Protocol `uda_inductive`, 10% anomalies in the pool, a false-alarm rate of 5%
asked for. FILE is an npz with, for each cell, ``NAME/scores``, ``NAME/labels`` and
``NAME/threshold``.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from twofold.benchmark.bank import Bank
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.detector import Detector
from twofold.encoders.encoder import load_encoder
from twofold.method_table import METHODS
from twofold.methods import FitData

Arrays = dict[str, NDArray[np.float64]]
# Few and many anomalies, near and far domains.
PACS_CELLS = (
    ("photo", "art_painting", "person"),
    ("photo", "cartoon", "dog"),
    ("photo", "sketch", "horse"),
    ("photo", "sketch", "house"),
)


def cell(bank: Bank, near: str, far: str, normal: str) -> Arrays:
    """Scores, labels (1 = anomalous) and threshold of one test set."""
    auto, encoder = METHODS.load("auto"), load_encoder()
    outputs = auto.Config().outputs()
    source, target = (bank.stock(name, encoder, outputs) for name in (near, far))
    split = uda_inductive(target.domain.labels(normal), random_state=0)
    known = source.images.subset(source.domain.labels(normal) == 0)
    detector = Detector(random_state=0)
    detector.fit_encoded(auto(encoder), FitData(known, target.images.subset(split.pool)))
    return {
        "scores": detector.method_.score(target.images.subset(split.test)),
        "labels": split.test_labels.astype(np.float64),
        "threshold": np.array(detector.threshold_.value),
    }


def cells(pacs: Path | None, pcb: Path | None) -> Iterator[tuple[str, Arrays]]:
    """Name and arrays of each cell whose data set is there."""

    def bank(name: str, root: Path | None) -> Bank:
        return Bank(DATASETS.load(name)(root), lambda what, done, n: None)

    cells_of_elpv = bank("elpv", None)
    for near, far in cells_of_elpv.dataset.directions:
        normal = cells_of_elpv.dataset.classes[0]
        yield f"elpv {near}->{far}", cell(cells_of_elpv, near, far, normal)
    if pcb is not None:
        yield "pcb 13000->12100", cell(bank("pcb", pcb), "13000", "12100", "normal")
    if pacs is not None:
        photographs = bank("pacs", pacs)
        for near, far, normal in PACS_CELLS:
            yield f"pacs {near}->{far} {normal}", cell(photographs, near, far, normal)


def main() -> None:
    """Score and write."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--pacs", type=Path)
    parser.add_argument("--pcb", type=Path)
    parser.add_argument("--out", type=Path, required=True)
    options = parser.parse_args()
    found: Arrays = {}
    for name, arrays in cells(options.pacs, options.pcb):
        labels, above = arrays["labels"], arrays["scores"] > arrays["threshold"]
        print(name, len(labels), labels.mean(), above.mean(), labels[above].sum(), file=sys.stderr)
        found |= {f"{name}/{key}": value for key, value in arrays.items()}
        np.savez_compressed(options.out, **found)  # type: ignore[arg-type]


if __name__ == "__main__":
    main()
