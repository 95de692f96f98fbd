"""The paper's method: align the source with the target's dominant cluster (arXiv 2502.21022)."""

from __future__ import annotations

import numpy as np
from pydantic import Field

from twofold.densities import unit_rows
from twofold.methods._adaptation import AdaptationConfig, AdaptationMethod, Partition
from twofold.methods.base import FitData
from twofold.selection import SELECTORS, Selection

__all__ = ["Paper", "PaperConfig"]


class PaperConfig(AdaptationConfig):
    """Options of the selection (eq. 6-7)."""

    selector: str = "kmeans"  # "Chosen for simplicity" in the paper.
    n_clusters: int = Field(default=2, ge=1)  # The paper's K everywhere but on VisDA-2017 (10).


class Paper(AdaptationMethod):
    """Cluster the target in the frozen encoder's space, align with the largest cluster.

    psi, the paper's selection network, is here the frozen encoder itself: its vectors are
    L2-normalised, clustered once, and dropped at test time.
    """

    id = "paper"
    summary = "the paper: Deep SVDD + contrastive alignment with the target's dominant cluster"
    needs = frozenset({"target_pool"})
    Config = PaperConfig
    config: PaperConfig

    def _partition(self, data: FitData, random_state: int) -> Partition:
        assert data.target_pool is not None
        self.selection_: Selection = SELECTORS.load(self.config.selector)(
            unit_rows(data.target_pool["pooled"]),
            n_clusters=self.config.n_clusters,
            random_state=random_state,
        )
        inside = self.selection_.dominant
        return Partition(np.flatnonzero(inside), np.flatnonzero(~inside))
