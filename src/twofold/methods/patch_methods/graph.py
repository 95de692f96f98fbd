"""PaDiM and PatchCore as graphs."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor

from twofold.eyes import PatchGaussians
from twofold.eyes.modules import Nearest, NearestRows, PlaceSquares, as_rows
from twofold.methods.graphs import Counting, Judge, Judged, Maps, Places
from twofold.methods.patch_methods.patchcore import PatchBank
from twofold.methods.views.maps import MapScale

__all__ = ["PadimJudge", "PatchcoreJudge"]


class PadimJudge(Judge):
    """The largest squared distance of a patch.

    Args:
        model: at each place.
        maps: their scale.
        output: name of the patches.
        places: of this output.
    """

    def __init__(self, model: PatchGaussians, maps: MapScale, output: str, places: Places) -> None:
        super().__init__()
        self._output = output
        self.counting = Counting(places)
        self.squares = PlaceSquares(model)
        self.maps = Maps(maps, places)

    def forward(self, outputs: Mapping[str, Tensor]) -> Judged:
        """See :class:`Judge`."""
        distances = self.counting(self.squares(outputs[self._output]))
        return self.alone(distances.amax(dim=1), self.maps(distances))


class PatchcoreJudge(Judge):
    """The largest distance of a patch to the bank, weighted by eq. 7.

    Args:
        model: the bank.
        maps: their scale.
        output: name of the patches.
        places: of this output.
    """

    def __init__(self, model: PatchBank, maps: MapScale, output: str, places: Places) -> None:
        super().__init__()
        self._output = output
        self._beside = min(model.neighbours, len(model.rows))
        self.counting = Counting(places)
        self.nearest = NearestRows(model.rows)
        self.maps = Maps(maps, places)

    def forward(self, outputs: Mapping[str, Tensor]) -> Judged:
        """See :class:`Judge`."""
        patches = as_rows(outputs[self._output])
        found: Nearest = self.nearest(patches)
        distances = self.counting(found.squares.sqrt())
        farthest, oddest = distances.max(dim=1)
        scores = farthest
        if self._beside > 1:
            scores = farthest * (1.0 - self._softmax(patches, found.rows, oddest))
        return self.alone(scores, self.maps(distances))

    def _softmax(self, patches: Tensor, nearest: Tensor, oddest: Tensor) -> Tensor:
        """Of the oddest patch's distances to the rows around its nearest one: that one's part."""
        rows = self.nearest.rows
        patch = patches.gather(1, oddest[:, None, None].expand(-1, 1, patches.shape[2]))
        support = rows[nearest.gather(1, oddest[:, None])]
        between = (rows - support).square().sum(dim=2)
        # The row itself is the first of its own neighbours.
        beside = rows[between.topk(self._beside, dim=1, largest=False).indices]
        away = (patch - beside).square().sum(dim=2).sqrt()
        return torch.softmax(away, dim=1)[:, 0]
