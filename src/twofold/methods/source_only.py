"""Deep SVDD on the source alone (eq. 5): no adaptation."""

from __future__ import annotations

from twofold.methods._adaptation import AdaptationMethod, Partition
from twofold.methods.base import FitData

__all__ = ["SourceOnly"]


class SourceOnly(AdaptationMethod):
    """The paper's lower bound: compact source features, applied to the target as they are."""

    id = "source_only"
    summary = "Deep SVDD trained on the source normals alone; no adaptation"

    def _partition(self, data: FitData, random_state: int) -> Partition | None:
        del data, random_state
        return None
