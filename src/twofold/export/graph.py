"""Everything a fitted detector computes after resizing, as one PyTorch module."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor, nn

from twofold.densities.modules import constant, power_normalised
from twofold.encoders.modules import Outputs, ResizeByProducts
from twofold.encoders.patches import is_patches
from twofold.encoders.scales import shape_of
from twofold.encoders.sides import AtSide, by_side
from twofold.images import Mask
from twofold.marks import Correction
from twofold.methods import Method
from twofold.methods.graphs import Judge, Judged, Places

__all__ = ["CORRECTED_BY", "ScoringGraph", "build_graph", "input_of"]

CORRECTED_BY = "pooled"
"""The output that a correction by marks reads besides those of the method."""


def input_of(side: AtSide) -> str:
    """Name of the graph's input for images of this size."""
    height, width = side.shape
    return f"image_{width}x{height}"


class _Reading(nn.Module):
    """Pixels of one size, uint8 (n, h, w, 3) -> outputs of the encoder."""

    mean: Tensor
    std: Tensor

    def __init__(self, side: AtSide) -> None:
        super().__init__()
        self.register_buffer("mean", constant(np.array(side.preprocessing.mean)))
        self.register_buffer("std", constant(np.array(side.preprocessing.std)))
        shapes = [shape_of(base, side.encoder) for base in side.bases]
        self.outputs = Outputs(side.encoder, side.bases, ResizeByProducts(side.shape, shapes))

    def forward(self, pixels: Tensor) -> tuple[Tensor, ...]:
        normalised = (pixels.to(torch.float32) - self.mean) / self.std
        return self.outputs(normalised.permute(0, 3, 1, 2))  # type: ignore[no-any-return]


class _Corrected(nn.Module):
    """What marks have taught; see :class:`Correction`."""

    mean: Tensor
    direction: Tensor
    views: Tensor

    def __init__(self, correction: Correction) -> None:
        super().__init__()
        self._center, self._spread = correction.center, correction.spread
        self._slope, self._intercept = correction.slope, correction.intercept
        self.register_buffer("mean", constant(correction.mean))
        self.register_buffer("direction", constant(correction.direction))
        self.register_buffer("views", constant(correction.views))

    def forward(self, judged: Judged, vectors: Tensor) -> Tensor:
        own = (judged.scores - self._center) / self._spread
        along = ((power_normalised(vectors) - self.mean) * self.direction).sum(dim=1)
        if len(self.views):
            apart = (judged.views - judged.scores[:, None]) / self._spread
            along = along + (apart * self.views).sum(dim=1)
        return self._intercept + self._slope * own + along


class ScoringGraph(nn.Module):
    """Pixels -> score, anomaly map if there is one, and the outputs of the encoder.

    Args:
        sides: of the images.
        judge: of these outputs.
        correction: by marks, or None.
        has_maps: whether the judge has maps.
    """

    def __init__(
        self,
        sides: tuple[AtSide, ...],
        judge: Judge,
        correction: Correction | None,
        *,
        has_maps: bool,
    ) -> None:
        super().__init__()
        self.sides = sides
        self.readings = nn.ModuleList(_Reading(side) for side in sides)
        self.judge = judge
        self.corrected = None if correction is None else _Corrected(correction)
        self.has_maps = has_maps

    @property
    def inputs(self) -> tuple[str, ...]:
        """Names of the inputs."""
        return tuple(input_of(side) for side in self.sides)

    @property
    def outputs(self) -> tuple[str, ...]:
        """Names of the outputs: ``score``, ``map``, then the encoder's own."""
        own = ("score", "map") if self.has_maps else ("score",)
        return (*own, *(name for side in self.sides for name in side.names))

    def forward(self, *images: Tensor) -> tuple[Tensor, ...]:
        """Judge images.

        Args:
            images: uint8 (n, h, w, 3), one array for each input.

        Returns:
            float32 (n,), (n, g, h), and (n, ...), as :attr:`outputs` names them.
        """
        found: dict[str, Tensor] = {}
        for side, reading, pixels in zip(self.sides, self.readings, images, strict=True):
            found |= zip(side.names, reading(pixels), strict=True)
        judged: Judged = self.judge(found)
        scores = judged.scores
        if self.corrected is not None:
            scores = self.corrected(judged, found[CORRECTED_BY])
        maps = () if judged.maps is None else (judged.maps,)
        return (scores, *maps, *found.values())


def build_graph(method: Method, correction: Correction | None, mask: Mask | None) -> ScoringGraph:
    """The graph of a fitted method.

    Args:
        method: fitted, of closed form.
        correction: by marks, or None.
        mask: of all images, or None.

    Raises:
        ConfigError: the method cannot be exported, or the mask leaves no place.
        WeightsError: the encoder's weights are not on this machine.
    """
    outputs = method.config.outputs()
    if correction is not None:
        outputs = tuple(dict.fromkeys((*outputs, CORRECTED_BY)))
    sides = by_side(method.encoder, outputs)
    judge = method.graph(_places(sides, mask))
    graph = ScoringGraph(sides, judge, correction, has_maps=method.config.has_maps())
    return graph.eval().requires_grad_(False)


def _places(sides: tuple[AtSide, ...], mask: Mask | None) -> dict[str, Places]:
    """The grid of each patch output, from a look at a blank image."""
    found = {}
    for side in sides:
        patches = [(n, b) for n, b in zip(side.names, side.bases, strict=True) if is_patches(b)]
        if not patches:
            continue
        look = Outputs(side.encoder, [base for _, base in patches]).eval()
        with torch.inference_mode():
            maps = look(torch.zeros(1, 3, *side.shape))
        for (name, _), grid in zip(patches, (tuple(one.shape[2:]) for one in maps), strict=True):
            looked_at = None if mask is None else mask.places(grid).ravel()
            shown = None if looked_at is None or looked_at.all() else looked_at
            found[name] = Places(grid, shown)
    return found
