"""What the graphs of several methods share: from an encoder's outputs to scores and maps.

PyTorch modules in float32. :meth:`twofold.methods.Method.graph` makes one of a fitted method;
tests hold its numbers against those of :meth:`twofold.methods.Method.score`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn.functional import avg_pool2d

from twofold.densities import Scale
from twofold.densities.modules import LEAST, SquaredDistances, Standardise, constant
from twofold.eyes.modules import TopMean
from twofold.methods.views.global_view import GlobalView
from twofold.methods.views.maps import MapScale
from twofold.methods.views.pooling import WINDOWS, Pooling

__all__ = [
    "Counting",
    "Judge",
    "Judged",
    "Maps",
    "Places",
    "WholeDistances",
    "oddest_of",
    "pooling_module",
]


@dataclass(frozen=True)
class Places:
    """The grid of a patch output.

    Attributes:
        grid: rows and columns.
        looked_at: bool (rows * columns,), places that count in every image; None for all.
    """

    grid: tuple[int, int]
    looked_at: NDArray[np.bool_] | None = None

    def __len__(self) -> int:
        return self.grid[0] * self.grid[1]


class Judged(NamedTuple):
    """What a method says of images.

    Attributes:
        scores: (n,), larger is more anomalous.
        views: (n, v), of which the scores are weighted means; v = 0 of a method with one view.
        maps: (n, g, h); None of a method without.
    """

    scores: Tensor
    views: Tensor
    maps: Tensor | None


class Judge(nn.Module, ABC):
    """A fitted method without its encoder."""

    @abstractmethod
    def forward(self, outputs: Mapping[str, Tensor]) -> Judged:
        """Judge images.

        Args:
            outputs: those of the method's configuration by name, float32 (n, ...).
        """

    @staticmethod
    def alone(scores: Tensor, maps: Tensor | None = None) -> Judged:
        """Of a method with one view."""
        return Judged(scores, scores.new_zeros(len(scores), 0), maps)


class Counting(nn.Module):
    """Distances of patches (n, p), those that are not looked at at 0."""

    looked_at: Tensor | None

    def __init__(self, places: Places) -> None:
        super().__init__()
        looked_at = places.looked_at
        self.register_buffer("looked_at", None if looked_at is None else constant(looked_at))

    def forward(self, distances: Tensor) -> Tensor:
        """See the class."""
        return distances if self.looked_at is None else distances * self.looked_at


class WholeDistances(nn.Module):
    """Normalised vectors (n, d) -> scores (n,); see :class:`GlobalView`."""

    def __init__(self, view: GlobalView) -> None:
        super().__init__()
        self.models = nn.ModuleList(SquaredDistances(model) for model in view.models)

    def forward(self, vectors: Tensor) -> Tensor:
        """See the class."""
        distances = [model(vectors) for model in self.models]
        if len(distances) == 1:
            return distances[0]  # type: ignore[no-any-return]
        logs = [found.clamp_min(LEAST).log() for found in distances]
        return torch.stack(logs).mean(dim=0).exp()


def pooling_module(pooling: Pooling, places: Places) -> nn.Module:
    """Distances of patches (n, p) -> scores (n,); see :class:`Pooling`."""
    if pooling.kind == "size":
        return _OddestWindow(pooling, places)
    most = {"places": 1} if pooling.kind == "peak" else {}
    return TopMean(len(places), looked_at=places.looked_at, **most)


class _OddestWindow(nn.Module):
    """The window that is odd for its size."""

    def __init__(self, pooling: Pooling, places: Places) -> None:
        super().__init__()
        self._grid = places.grid
        self._sides = WINDOWS[: len(pooling.scales)]
        self.scales = nn.ModuleList(Standardise(scale) for scale in pooling.scales)

    def forward(self, distances: Tensor) -> Tensor:
        maps = distances.reshape(-1, 1, *self._grid)
        found = [
            scale(avg_pool2d(maps, side, 1).amax(dim=(1, 2, 3)))
            for side, scale in zip(self._sides, self.scales, strict=True)
        ]
        return torch.stack(found, dim=1).amax(dim=1).exp()


def oddest_of(scores: list[Tensor], scales: nn.ModuleList) -> Tensor:
    """The scores of several sizes as one, (n,); see :func:`twofold.methods.auto.at_size.joined`."""
    if len(scores) == 1:
        return scores[0]
    found = [scale(own) for scale, own in zip(scales, scores, strict=True)]
    return torch.stack(found, dim=1).amax(dim=1).exp()


class Maps(nn.Module):
    """Distances of patches (n, p) as anomaly maps (n, g, h); see :class:`MapScale`."""

    def __init__(self, maps: MapScale, places: Places) -> None:
        super().__init__()
        self._grid = places.grid
        self._floor = max(maps.floor, LEAST)
        self.scale = Standardise(Scale(maps.scale.center, maps.scale.spread))

    def forward(self, distances: Tensor) -> Tensor:
        """See the class."""
        standardised: Tensor = self.scale(distances.clamp_min(self._floor))
        return standardised.reshape(-1, *self._grid)
