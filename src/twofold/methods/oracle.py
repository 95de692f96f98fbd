"""The paper's objective with the true target labels in place of the dominant cluster."""

from __future__ import annotations

import numpy as np

from twofold.methods._adaptation import AdaptationMethod, Partition
from twofold.methods.base import FitData

__all__ = ["Oracle"]


class Oracle(AdaptationMethod):
    """What selection without a mistake would give; it is no upper bound for other objectives.

    The labels are those of the pool, never of test images.
    """

    id = "oracle"
    summary = "uses target labels: the paper's objective with the true normals and anomalies"
    needs = frozenset({"target_pool", "target_labels"})

    def _partition(self, data: FitData, random_state: int) -> Partition:
        del random_state
        assert data.target_labels is not None
        return Partition(
            np.flatnonzero(data.target_labels == 0), np.flatnonzero(data.target_labels)
        )
