"""The fitted views of `auto` as a graph."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from twofold.densities.modules import Standardise, power_normalised
from twofold.eyes import FreeBank
from twofold.eyes.modules import BankSquares, PlaceSquares
from twofold.methods.auto.at_size import AtSize
from twofold.methods.auto.vectors import scale_areas
from twofold.methods.auto.way import Way
from twofold.methods.graphs import (
    Counting,
    Judge,
    Judged,
    Maps,
    Places,
    WholeDistances,
    oddest_of,
    pooling_module,
)

__all__ = ["AutoJudge"]


class AutoJudge(Judge):
    """See :class:`twofold.methods.auto.way.Way`."""

    def __init__(self, way: Way, places: Mapping[str, Places]) -> None:
        super().__init__()
        views, config = way.views, way.config
        self._pooled, self._patches = config.pooled(), config.patch_sizes()
        areas = scale_areas(config)
        self._shares = [area / sum(areas) for area in areas]
        self._local_weight = views.local_weight
        self.whole = None if views.whole is None else WholeDistances(views.whole)
        self.whole_scale = None if views.whole_scale is None else Standardise(views.whole_scale)
        seen = [places[name] for name in self._patches[: len(views.local)]]
        self.squares = nn.ModuleList(_squares(patches) for patches in views.local)
        self.counting = nn.ModuleList(Counting(one) for one in seen)
        self.poolings = nn.ModuleList(
            pooling_module(patches.pooling, one)
            for patches, one in zip(views.local, seen, strict=True)
        )
        self.size_scales = nn.ModuleList(Standardise(patches.scale) for patches in views.local)
        self.local_scale = None if views.local_scale is None else Standardise(views.local_scale)
        self.maps = None if views.maps is None else Maps(views.maps, seen[0])

    def forward(self, outputs: Mapping[str, Tensor]) -> Judged:
        """See :class:`Judge`."""
        whole = None if self.whole is None else self.whole(self._vectors(outputs))
        if self.maps is None:
            assert whole is not None
            return self.alone(whole)
        distances = [
            counting(squares(outputs[name]))
            for counting, squares, name in zip(
                self.counting, self.squares, self._patches, strict=True
            )
        ]
        found = [pool(own) for pool, own in zip(self.poolings, distances, strict=True)]
        local = oddest_of(found, self.size_scales)
        maps = self.maps(distances[0])
        if whole is None:
            return self.alone(local, maps)
        assert self.whole_scale is not None
        assert self.local_scale is not None
        views = torch.stack([self.whole_scale(whole), self.local_scale(local)], dim=1)
        weight = self._local_weight
        return Judged(weight * views[:, 1] + (1.0 - weight) * views[:, 0], views, maps)

    def _vectors(self, outputs: Mapping[str, Tensor]) -> Tensor:
        """Normalised whole-image vectors, averaged over the scales, (n, d)."""
        rows = [power_normalised(outputs[name]) for name in self._pooled]
        weighted = [share * row for share, row in zip(self._shares, rows, strict=True)]
        return torch.stack(weighted).sum(dim=0)


def _squares(patches: AtSize) -> nn.Module:
    """Squared distances of patches (n, c, g, h), as (n, g * h)."""
    model = patches.model
    return BankSquares(model) if isinstance(model, FreeBank) else PlaceSquares(model)
