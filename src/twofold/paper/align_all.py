"""Adaptation without clustering (the paper's Table 3): all of the target counts as normal."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twofold.methods.base import FitData
from twofold.paper.adaptation import AdaptationMethod
from twofold.selection import Partition

__all__ = ["AlignAll"]


class AlignAll(AdaptationMethod):
    """Everything is positive, so eq. 8 has no denominator and only its attraction remains.

    What the paper ran under this name is not stated. Anomalies are pulled inside with the rest:
    the two-fold unsupervised curse.
    """

    id = "align_all"
    summary = "alignment of the source with the whole target, anomalies included; no clustering"
    needs = frozenset({"target_pool"})

    def _partition(
        self, data: FitData, features: Callable[[], NDArray[np.float64]], random_state: int
    ) -> Partition:
        del features, random_state
        return Partition(np.arange(len(data.pool)), np.empty(0, dtype=np.intp))
