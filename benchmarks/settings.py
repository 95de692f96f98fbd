"""Settings of the paper's system by criteria without target labels, and by their true AUROC.

Usage: python benchmarks/settings.py DATASET [--root FOLDER] [--cells SOURCE:TARGET:CLASS ...]
       [--out FILE]
       python benchmarks/settings.py --ranking FILE

Each cell and setting is trained from two random states. Criteria: how well the trained score tells
presumed normal target images (the central half of the pool, by a robust Gaussian on the frozen
vectors) from the same images cut into patches and shuffled, and from the *source's* other classes;
soft neighbourhood density; effective rank; proxy A-distance; rank correlation between the states.
Target labels choose the sets and count the outcome; nothing else sees them. Rows that FILE has are
not run again. Markdown on stdout.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from auto_tables import read_lines, table, write_lines
from numpy.typing import NDArray
from scipy.stats import spearmanr

from twofold.augmentation import pseudo_anomalies
from twofold.benchmark.bank import Bank, Stock
from twofold.benchmark.criteria import (
    effective_rank,
    neighbourhood_density,
    proxy_distance,
    stability,
)
from twofold.benchmark.datasets.registry import DATASETS
from twofold.benchmark.protocol import uda_inductive
from twofold.densities import fit_trimmed, power_normalise
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.pixels import encode_pixels
from twofold.method_table import METHODS
from twofold.methods import FitData, parse_config
from twofold.metrics import auroc
from twofold.training import forward_all

Options = Mapping[str, Any]

SPHERE: Options = {"recipe": "reasoned", "selector": "kmeans", "debias": 0.0}
FARTHEST: Options = {**SPHERE, "negatives": "farthest"}
# One change at a time from the letter of the paper, then ways of choosing whom to push away.
SETTINGS: Mapping[str, tuple[str, Options]] = {
    "as printed": ("paper", {"recipe": "as_printed", "training": {"max_steps": 80}}),
    "as printed, a linear layer trains": (
        "paper",
        {"recipe": "as_printed", "training": {"trainable": "head", "min_steps": 200}},
    ),
    "on the sphere": ("paper", {**SPHERE, "lambda_uda": 0.1}),
    "lambda_uda 1": ("paper", SPHERE),
    "debias 0.9": ("paper", {**SPHERE, "debias": 0.9}),
    "farthest tenth": ("paper", FARTHEST),
    "farthest tenth, debias 0.5": ("paper", {**FARTHEST, "debias": 0.5}),
    "farthest tenth, debias 0.8": ("paper", {**FARTHEST, "debias": 0.8}),
    "farthest tenth, K = 5": ("paper", {**FARTHEST, "n_clusters": 5, "debias": 0.5}),
    "stragglers": ("paper", {"recipe": "reasoned", "debias": 0.0}),
    "stragglers, debias 0.5": ("paper", {"recipe": "reasoned", "debias": 0.5}),
    "stragglers, debias 0.8": ("paper", {"recipe": "reasoned", "debias": 0.8}),
    "no negatives": ("paper", {"recipe": "reasoned", "batch_others": 0}),
    "everything positive": ("align_all", {"recipe": "reasoned"}),
    "source alone": ("source_only", {"recipe": "reasoned"}),
}
CRITERIA: Mapping[str, str] = {
    "shuffled": "made-up outliers",
    "other_source": "other classes of the source",
    "both": "mean of these two",
    "density": "soft neighbourhood density",
    "rank": "effective rank",
    "distance": "proxy A-distance, less is better",
    "stability": "stability",
}
PACS_CELLS = (
    "photo:sketch:dog",
    "photo:sketch:guitar",
    "photo:sketch:horse",
    "photo:cartoon:elephant",
    "photo:cartoon:giraffe",
    "photo:cartoon:person",
    "photo:art_painting:dog",
    "photo:art_painting:person",
)
SIDE = 160
# Sides of the shuffled patches at 224 pixels, as those of the few-shot variant.
PATCHES = (16 * SIDE // 224, 72 * SIDE // 224)
STATES = (0, 1)


class Cell:
    """What all settings of a cell share.

    Args:
        near: the source domain.
        far: the target domain.
        normal: the class that is normal.
    """

    def __init__(self, near: Stock, far: Stock, normal: str) -> None:
        split = uda_inductive(far.domain.labels(normal), random_state=0)
        labels = near.domain.labels(normal)
        self.source = near.images.subset(labels == 0)
        self.others = near.images.subset(labels == 1)
        self.pool, self.test = (far.images.subset(part) for part in (split.pool, split.test))
        self.odd = split.test_labels == 1
        rows = power_normalise(self.pool["pooled"])
        gaussian, _ = fit_trimmed(None, rows, trim=0.25)
        distances = gaussian.squared_distances(rows)
        self.central = np.sort(np.argsort(distances)[: len(rows) // 2])
        pixels = self.pool.subset(self.central)["pixels"][:]
        self.shuffled = pseudo_anomalies(pixels, PATCHES, np.random.default_rng(0))


def trained(cell: Cell, name: str, options: Options, state: int, encoder: Encoder) -> Any:
    """The model of a setting."""
    method = METHODS.load(name)
    data = FitData(cell.source)
    if "target_pool" in method.needs:
        data = replace(data, target_pool=cell.pool)
    return method(encoder, parse_config(method, options)).fit(data, random_state=state).model


def row_of(cell: Cell, name: str, options: Options, encoder: Encoder) -> dict[str, float]:
    """Criteria of a setting, each the larger the better, and the AUROC of its first state."""
    models = [trained(cell, name, options, state, encoder) for state in STATES]
    model, split = models[0], models[0].config.split()
    central = model.score(cell.pool.subset(cell.central))
    shuffled = encode_pixels(encoder, cell.shuffled, split)
    others = model.score(cell.others)
    features = [forward_all(model.network_, part[split]) for part in (cell.source, cell.pool)]
    made_up = auroc(central, model._score({split: shuffled}))
    elsewhere = auroc(central, others)
    test = model.score(cell.test)
    return {
        "auroc": auroc(test[~cell.odd], test[cell.odd]),
        "shuffled": made_up,
        "other_source": elsewhere,
        "both": (made_up + elsewhere) / 2,
        "density": neighbourhood_density(features[1]),
        "rank": effective_rank(features[1]),
        "distance": -proxy_distance(features[0], features[1][cell.central]),
        "stability": stability(*(one.score(cell.pool) for one in models)),
    }


def rows(
    dataset: str, root: Path, cells: Sequence[str], done: set[Any]
) -> Iterator[dict[str, Any]]:
    """Every cell and setting that is not done."""
    encoder = load_encoder().at_size(SIDE)
    bank = Bank(DATASETS.load(dataset)(root), lambda *_: None)
    outputs = ("pooled", "split:last_stage", "pixels")
    for text in cells:
        near, far, normal = text.split(":")
        missing = [name for name in SETTINGS if (dataset, text, name) not in done]
        if not missing:
            continue
        source, target = (bank.stock(place, encoder, outputs) for place in (near, far))
        cell = Cell(source, target, normal)
        for setting in missing:
            name, options = SETTINGS[setting]
            found = row_of(cell, name, options, encoder)
            yield {"dataset": dataset, "cell": text, "setting": setting} | {
                key: round(float(value), 5) for key, value in found.items()
            }


def ranking(found: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Means by setting, then what each criterion says of their order."""
    names = list(dict.fromkeys(row["setting"] for row in found))
    cells = list(dict.fromkeys((row["dataset"], row["cell"]) for row in found))
    columns = ("auroc", *CRITERIA)
    values: NDArray[np.float64] = np.full((len(names), len(cells), len(columns)), np.nan)
    for row in found:
        where = names.index(row["setting"]), cells.index((row["dataset"], row["cell"]))
        values[where] = [row[column] for column in columns]
    means = values.mean(axis=1)
    order = np.argsort(-means[:, 0])
    yield f"{len(cells)} cells, {len(names)} settings."
    yield table(
        ["setting", "AUROC %", *CRITERIA.values()],
        [
            [names[i], f"{100 * means[i, 0]:.1f}", *(f"{value:.3f}" for value in means[i, 1:])]
            for i in order
        ],
    )
    body = []
    for at, label in enumerate(CRITERIA.values(), start=1):
        within = [spearmanr(values[:, c, 0], values[:, c, at]).statistic for c in range(len(cells))]
        chosen = values[:, :, at].argmax(axis=0)
        lost = values[:, :, 0].max(axis=0) - values[chosen, np.arange(len(cells)), 0]
        body.append(
            [
                label,
                f"{spearmanr(means[:, 0], means[:, at]).statistic:.2f}",
                f"{np.nanmean(within):.2f}",
                f"{np.nanmin(within):.2f}",
                names[int(means[:, at].argmax())],
                f"{100 * (means[:, 0].max() - means[means[:, at].argmax(), 0]):.1f}",
                f"{100 * lost.mean():.1f}",
            ]
        )
    head = ["criterion", "rank correlation of means", "within a cell, mean", "least"]
    yield table([*head, "best by it", "points lost", "points lost, chosen in each cell"], body)


def main() -> None:
    """See the module's description."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n", maxsplit=1)[0])
    parser.add_argument("dataset", nargs="?")
    parser.add_argument("--root", type=Path)
    parser.add_argument("--cells", nargs="+", default=PACS_CELLS)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--ranking", type=Path)
    given = parser.parse_args()
    if given.ranking:
        print("\n\n".join(ranking(read_lines(given.ranking))))
        return
    found = read_lines(given.out) if given.out and given.out.exists() else []
    done = {(row["dataset"], row["cell"], row["setting"]) for row in found}
    for row in rows(given.dataset, given.root, given.cells, done):
        print(*row.values(), file=sys.stderr)
        found.append(row)
        write_lines(given.out, found)
    print("\n\n".join(ranking(found)))


if __name__ == "__main__":
    main()
