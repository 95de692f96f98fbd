"""The set of images completed at random: what the images that nobody marked may be."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.marks.cells import Cells, rates_of

__all__ = ["complete", "completed_rates"]

Array = NDArray[np.float64]

# The 2.5% points of so many draws settle to a few hundredths of the interval's width.
_DRAWS = 3000
# Jeffreys' prior: half an image of each kind.
_HALF = 0.5


def complete(cells: Cells, generator: np.random.Generator) -> Array:
    """Draw a share of anomalies for each cell, and then the kind of each unmarked image.

    The share is beta distributed, and its prior counts as half an image of each kind for each
    side of the threshold, as Jeffreys' does for one sample; the cells of a side share it by their
    sizes. Were it half an image in each cell, the cells without an anomaly would add up, and a
    small number of misses could never be found small; in simulated sets the intervals would hold
    less often and be wider (docs/marks.md).

    Args:
        cells: counts.
        generator: of the draws.

    Returns:
        Anomalies in each completed set and cell, those marked included, float64 (draws, k).
    """
    prior = _HALF * cells.share_of_side
    share = generator.beta(
        cells.anomalous + prior, cells.normal + prior, size=(_DRAWS, len(cells.size))
    )
    # Marks that are only foreseen need not be whole numbers; images are.
    unmarked = np.rint(np.maximum(cells.size - cells.marked, 0)).astype(np.int64)
    return np.asarray(cells.anomalous + generator.binomial(unmarked, share))


def completed_rates(cells: Cells, anomalies: Array) -> dict[str, Array]:
    """The rates of each completed set, (draws,) each; NaN where they are not defined."""
    hits = anomalies[:, cells.above].sum(axis=1)
    return rates_of(cells, hits, anomalies[:, ~cells.above].sum(axis=1))
