"""Deep SVDD on the source alone (eq. 5): no adaptation."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from twofold.methods.base import FitData
from twofold.paper.adaptation import AdaptationMethod
from twofold.selection import Partition

__all__ = ["SourceOnly"]


class SourceOnly(AdaptationMethod):
    """The paper's lower bound: compact source features, applied to the target as they are."""

    id = "source_only"
    summary = "Deep SVDD trained on the source normals alone; no adaptation"

    def _partition(
        self, data: FitData, features: Callable[[], NDArray[np.float64]], random_state: int
    ) -> Partition | None:
        del data, features, random_state
        return None
