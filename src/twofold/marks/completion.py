"""The set of images completed at random: what the images that nobody marked may be."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.marks.cells import Cells, rates_of

__all__ = ["Completions", "complete", "rate_bounds"]

Array = NDArray[np.float64]

# The 2.5% points settle to a tenth of the interval's width.
_DRAWS = 2000
# Jeffreys' prior: half an image of each kind.
_HALF = 0.5


@dataclass(frozen=True, eq=False)
class Completions:
    """Numbers of anomalies in completed sets, those marked included.

    Attributes:
        few: (draws, k), drawn so that their lower quantiles are lower bounds.
        many: (draws, k), drawn so that their upper quantiles are upper bounds.
    """

    few: Array
    many: Array


def complete(cells: Cells, generator: np.random.Generator) -> Completions:
    """Draw a share of anomalies for each cell, and then each unmarked image's kind.

    The share is beta distributed, the posterior under half an image of each kind, as the interval
    of Jeffreys has it for one sample. Several cells need care: half an anomaly in each of them adds
    up, so that a total could never be found small; and half an anomaly shared by all of them says
    too little of a cell with few marks. So both bounds are drawn for themselves: upper bounds of
    the anomalies put half an anomaly into each cell, and share half a normal image by the cells'
    sizes among those on one side of the threshold; lower bounds the other way round. Chosen by the
    coverage in simulated sets (docs/marks.md).

    Args:
        cells: counts.
        generator: of the draws.
    """
    shared = _HALF * cells.share_of_side
    return Completions(
        few=_drawn(cells, shared, np.full_like(shared, _HALF), generator),
        many=_drawn(cells, np.full_like(shared, _HALF), shared, generator),
    )


def _drawn(cells: Cells, odd: Array, fine: Array, generator: np.random.Generator) -> Array:
    share = generator.beta(
        cells.anomalous + odd, cells.normal + fine, size=(_DRAWS, len(cells.size))
    )
    # Marks that are foreseen need not be whole numbers; images are.
    unmarked = np.rint(np.maximum(cells.size - cells.marked, 0)).astype(np.int64)
    return np.asarray(cells.anomalous + generator.binomial(unmarked, share))


def rate_bounds(cells: Cells, drawn: Completions) -> dict[str, tuple[Array, Array]]:
    """For each rate, draws whose lower quantiles and draws whose upper quantiles bound it."""

    def rates(above: Array, below: Array) -> dict[str, Array]:
        return rates_of(
            cells, above[:, cells.above].sum(axis=1), below[:, ~cells.above].sum(axis=1)
        )

    worst, best = rates(drawn.few, drawn.many), rates(drawn.many, drawn.few)
    least, most = rates(drawn.few, drawn.few), rates(drawn.many, drawn.many)
    return {
        "detection_rate": (worst["detection_rate"], best["detection_rate"]),
        "false_alarm_rate": (best["false_alarm_rate"], worst["false_alarm_rate"]),
        "precision": (least["precision"], most["precision"]),
        "anomaly_share": (least["anomaly_share"], most["anomaly_share"]),
    }
