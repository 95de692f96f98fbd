"""AUROC of a finite set of images from the marks of some of them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.marks.cells import Cells
from twofold.metrics import average_ranks

__all__ = ["area_of_ranks", "completed_areas", "point_area"]

Array = NDArray[np.float64]


def point_area(scores: Array, marks: Array, cells: Cells, cell: NDArray[np.int64]) -> float | None:
    """AUROC of the marked images, each pair standing for as many pairs as it was drawn from.

    Horvitz-Thompson for pairs: two images of different cells weigh as the product of their
    weights, two of one cell as N (N - 1) / (n (n - 1)).

    Args:
        scores: (n,).
        marks: (n,), 1, 0 or NaN.
        cells: counts.
        cell: of each image, (n,).

    Returns:
        None where no anomaly or no normal image is marked.
    """
    k = len(cells.size)
    odd = [scores[(cell == c) & (marks == 1)] for c in range(k)]
    fine = [np.sort(scores[(cell == c) & (marks == 0)]) for c in range(k)]
    won = all_pairs = 0.0
    for c in range(k):
        for d in range(k):
            pairs = len(odd[c]) * len(fine[d])
            if not pairs:
                continue
            wins = np.searchsorted(fine[d], odd[c], side="left")
            ties = np.searchsorted(fine[d], odd[c], side="right") - wins
            taken, here = cells.marked[c], cells.size[c]
            weight = here / taken * (cells.size[d] / cells.marked[d])
            if c == d:
                weight = here * (here - 1) / (taken * (taken - 1))
            won += weight * float(wins.sum() + ties.sum() / 2)
            all_pairs += weight * pairs
    return float(won / all_pairs) if all_pairs else None


def area_of_ranks(rank_sum: Array, anomalies: Array, n: int) -> Array:
    """AUROC from the sum of the anomalies' ranks among all images (Mann & Whitney 1947).

    Args:
        rank_sum: of midranks, 1 = lowest score.
        anomalies: how many there are.
        n: images.

    Returns:
        NaN where all or no images are anomalous.
    """
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(
            (rank_sum - anomalies * (anomalies + 1) / 2) / (anomalies * (n - anomalies))
        )


def completed_areas(
    scores: Array,
    marks: Array,
    cell: NDArray[np.int64],
    anomalies: Array,
    generator: np.random.Generator,
) -> Array:
    """AUROC of completed sets, (draws,).

    Where in a cell its unseen anomalies lie is drawn too: each like one of the seen ones or of
    those drawn before it, or, with the weight of one, like any image of the cell (Polya's urn), by
    its mean and variance.

    Args:
        scores: (n,).
        marks: (n,), 1, 0 or NaN.
        cell: of each image, (n,).
        anomalies: of each completed set and cell, (draws, k).
        generator: of the draws.
    """
    ranks = average_ranks(scores)
    total = np.zeros(len(anomalies))
    for c in range(anomalies.shape[1]):
        seen = ranks[(cell == c) & (marks == 1)]
        total += _rank_sums(np.sort(ranks[cell == c]), seen, anomalies[:, c], generator)
    return area_of_ranks(total, anomalies.sum(axis=1), len(scores))


def _rank_sums(here: Array, seen: Array, anomalies: Array, generator: np.random.Generator) -> Array:
    """Sum of the ranks of a cell's anomalies in each completed set.

    Args:
        here: ranks of all images of the cell, ascending.
        seen: ranks of its marked anomalies.
        anomalies: how many it has in each completed set.
        generator: of the draws.
    """
    mass = len(seen) + 1
    mean = (seen.sum() + here.mean()) / mass
    variance = (((seen - mean) ** 2).sum() + here.var() + (here.mean() - mean) ** 2) / mass
    extra = anomalies - len(seen)
    # The mean of so many draws from the urn.
    spread = np.sqrt(variance * (mass + extra) / ((mass + 1) * np.maximum(extra, 1)))
    places = mean + spread * generator.standard_normal(len(extra))
    lowest = np.concatenate([[0.0], np.cumsum(here)])
    count = anomalies.astype(np.int64)
    possible = (lowest[count], lowest[-1] - lowest[len(here) - count])
    return np.asarray(np.clip(seen.sum() + extra * places, *possible))
