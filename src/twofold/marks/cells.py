"""Marks counted by stratum and side of the threshold, and the rates that follow from counts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

__all__ = ["COUNTED", "Cells", "count_cells", "point_rates", "rates_of"]

Array = NDArray[np.float64]

COUNTED = ("detection_rate", "false_alarm_rate", "precision", "anomaly_share")
"""The rates that depend on nothing but the numbers of anomalies above and below the threshold."""


@dataclass(frozen=True, eq=False)
class Cells:
    """Counts of the cells: each stratum, cut at the threshold where it crosses it.

    Given how many images of a cell were marked, these are a simple random sample of it, also where
    the cut was made afterwards (post-stratification).

    Attributes:
        above: bool (k,), whether the cell lies above the threshold.
        size: images, float64 (k,).
        normal: of these, marked normal; not whole where marks are foreseen.
        anomalous: of these, marked anomalous.
    """

    above: NDArray[np.bool_]
    size: Array
    normal: Array
    anomalous: Array

    @property
    def marked(self) -> Array:
        """Images marked normal or anomalous, (k,)."""
        return self.normal + self.anomalous

    @property
    def share_of_side(self) -> Array:
        """Images of each cell over those of all cells on its side of the threshold, (k,)."""
        total = np.where(self.above, self.size[self.above].sum(), self.size[~self.above].sum())
        return np.asarray(self.size / total)


def count_cells(
    scores: Array, threshold: float, strata: NDArray[np.int64], marks: Array
) -> tuple[Cells, NDArray[np.int64]]:
    """Count the marks.

    Args:
        scores: (n,).
        threshold: of the scores.
        strata: (n,), from 0 up.
        marks: (n,), 1 anomalous, 0 normal, NaN not marked.

    Returns:
        The cells that hold an image, in order of stratum, and the cell of each image, int64 (n,).
    """
    above = scores > threshold
    _, cell = np.unique(2 * strata + above, return_inverse=True)
    k = int(cell.max()) + 1
    found = Cells(
        above=np.bincount(cell, weights=above, minlength=k) > 0,
        size=np.bincount(cell, minlength=k).astype(np.float64),
        normal=np.bincount(cell, weights=marks == 0, minlength=k).astype(np.float64),
        anomalous=np.bincount(cell, weights=marks == 1, minlength=k).astype(np.float64),
    )
    return found, cell.astype(np.int64)


def rates_of(cells: Cells, hits: Array, misses: Array) -> dict[str, Array]:
    """The rates of sets with given numbers of anomalies; NaN where they are not defined.

    Args:
        cells: for the numbers of images.
        hits: anomalies above the threshold, any shape.
        misses: anomalies at or below it, likewise.
    """
    n, n_above = cells.size.sum(), cells.size[cells.above].sum()
    # Weights round: what is nothing but for rounding must be nothing, or 0 / 0 would be infinite.
    hits, total = np.round(hits, 9), np.round(hits + misses, 9)
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "detection_rate": np.divide(hits, total),
            "false_alarm_rate": np.divide(n_above - hits, n - total),
            "precision": np.divide(hits, n_above),
            "anomaly_share": np.divide(total, n),
        }


def point_rates(cells: Cells) -> Mapping[str, float | None]:
    """Horvitz-Thompson estimates: each mark stands for size / marks images of its cell.

    A cell without a mark is taken to be like the other cells on its side of the threshold
    (collapsed strata); a rate that needs a side without any mark has no estimate.
    """
    hits, misses = (_total(cells, cells.above), _total(cells, ~cells.above))
    found = rates_of(cells, np.array(hits), np.array(misses))
    return {name: None if np.isnan(rate) else float(rate) for name, rate in found.items()}


def _total(cells: Cells, side: NDArray[np.bool_]) -> float:
    """Estimated anomalies of one side; NaN where nothing of it was marked."""
    seen = side & (cells.marked > 0)
    if not side.any():
        return 0.0
    if not seen.any():
        return np.nan
    weights = cells.size[seen] / cells.marked[seen]
    found = float((weights * cells.anomalous[seen]).sum())
    return found * float(cells.size[side].sum() / cells.size[seen].sum())
