"""A robust detector fitted on the unlabelled target alone: the rival to beat."""

from __future__ import annotations

from twofold.methods._density import DensityMethod
from twofold.methods.base import FitData

__all__ = ["TargetOnly"]


class TargetOnly(DensityMethod):
    """A trimmed, shrunk Gaussian on the target pool; the source is not looked at."""

    id = "target_only"
    summary = "robust Gaussian on the unlabelled target alone; ignores the source"

    def _source(self, data: FitData) -> None:
        del data
