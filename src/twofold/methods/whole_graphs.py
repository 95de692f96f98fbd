"""The methods that read one vector of the whole image as graphs."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from twofold.densities import Gaussian, unit_rows
from twofold.densities.modules import constant, power_normalised, unit
from twofold.methods.frozen_source import FrozenSourceConfig
from twofold.methods.graphs import Judge, Judged, WholeDistances
from twofold.methods.views.global_view import GlobalView

__all__ = ["FrozenSourceJudge", "TargetOnlyJudge"]


class TargetOnlyJudge(Judge):
    """Squared distance of the normalised vector from a Gaussian.

    Args:
        model: the Gaussian.
        output: name of the vectors.
    """

    def __init__(self, model: Gaussian, output: str) -> None:
        super().__init__()
        self._output = output
        self.distances = WholeDistances(GlobalView((model,)))

    def forward(self, outputs: Mapping[str, Tensor]) -> Judged:
        """See :class:`Judge`."""
        return self.alone(self.distances(power_normalised(outputs[self._output])))


class FrozenSourceJudge(Judge):
    """Distance of the vector of length 1 to the source normals, or to a text.

    Args:
        reference: float64 (k, d), what the distance is to.
        config: how it is measured.
    """

    reference: Tensor

    def __init__(self, reference: NDArray[np.float64], config: FrozenSourceConfig) -> None:
        super().__init__()
        self._output = config.vectors()
        self._scoring = "cosine" if config.reads_text() else config.scoring
        self._neighbours = min(config.neighbours, len(reference))
        if self._scoring == "cosine":
            reference = unit_rows(reference)
        self.register_buffer("reference", constant(reference))

    def forward(self, outputs: Mapping[str, Tensor]) -> Judged:
        """See :class:`Judge`."""
        # One row at least a time: (n, 1, d) against (k, d), as differences lose no digits.
        squares = (unit(outputs[self._output])[:, None] - self.reference).square().sum(dim=2)
        if self._scoring == "knn":
            return self.alone(squares.topk(self._neighbours, largest=False).values.mean(dim=1))
        # Of two vectors of length 1, 1 - cos is half the squared distance.
        return self.alone(squares[:, 0] * (0.5 if self._scoring == "cosine" else 1.0))
