"""GNL's student: a one-class bottleneck on the teacher's maps and a mirrored decoder."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Literal

import torch
from torch import Tensor, nn

from twofold.layers import conv, conv_transpose
from twofold.losses import StudentView

__all__ = ["Blocks", "Student"]

Blocks = Literal["residual", "plain"]
Direction = Literal["down", "up", "none"]

# Of the release: a bottleneck of three blocks, and a decoder with the depths of WideResNet-50-2
# (coarsest level first); further levels are as deep as the last.
_BOTTLENECK_DEPTH = 3
_DECODER_DEPTHS = (3, 4, 6)


class Student(nn.Module):
    """From the teacher's maps through a bottleneck back to maps of the same shapes.

    Finer maps come down to the coarsest one's size by stride-2 convolutions, all are concatenated,
    and a stage with stride 2 makes the embedding. The decoder goes up again one level at a time.

    Args:
        shapes: (c, h, w) of the teacher's maps, the finest first, each half the size of the one
            before (rounded up).
        blocks: ``residual`` bottleneck blocks in the release's numbers, or ``plain``: one
            resampling and one 3 x 3 convolution a stage.
        width: greatest number of hidden channels; None: as many as the teacher has at the level,
            and twice those of the coarsest in the bottleneck.
        generator: of the first weights; None leaves them to be loaded.
    """

    def __init__(
        self,
        shapes: Sequence[tuple[int, int, int]],
        blocks: Blocks,
        width: int | None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        self._sizes = [shape[1:] for shape in shapes]
        channels = [shape[0] for shape in shapes]
        hidden = [c if width is None else min(c, width) for c in channels]
        self.down = nn.ModuleList(
            _reduction([channels[level], *hidden[level + 1 :]], generator)
            for level in range(len(shapes) - 1)
        )
        joined = channels[-1] + hidden[-1] * (len(shapes) - 1)
        embedding = 2 * channels[-1] if width is None else min(2 * channels[-1], width)
        self.bottleneck = _stage(joined, embedding, "down", blocks, _BOTTLENECK_DEPTH, generator)
        self.up, self.out = nn.ModuleList(), nn.ModuleList()
        before = embedding
        for step, level in enumerate(reversed(range(len(shapes)))):
            depth = _DECODER_DEPTHS[min(step, len(_DECODER_DEPTHS) - 1)]
            self.up.append(_stage(before, hidden[level], "up", blocks, depth, generator))
            # Stages end in a ReLU, but the maps of some encoders have both signs.
            std = 1 / math.sqrt(hidden[level])
            self.out.append(conv(hidden[level], channels[level], 1, generator, std=std))
            before = hidden[level]

    def forward(self, maps: Sequence[Tensor]) -> StudentView:
        """One (n, c_l, h_l, w_l) per level, the finest first -> the student's view of them."""
        reduced = [down(x) for down, x in zip(self.down, maps, strict=False)]
        values = embedding = self.bottleneck(torch.cat([*reduced, maps[-1]], dim=1))
        decoded: list[Tensor] = []
        for up, out, (h, w) in zip(self.up, self.out, reversed(self._sizes), strict=True):
            # Doubling overshoots where an odd size was halved.
            values = up(values)[:, :, :h, :w]
            decoded.append(out(values))
        return StudentView(embedding, tuple(reversed(decoded)))


class _Residual(nn.Module):
    """1 x 1, 3 x 3 (or 2 x 2 transposed), 1 x 1 convolutions beside a shortcut; inner width half.

    The block of WideResNet-50-2, whose inner width is half the outer one.
    """

    def __init__(
        self, inputs: int, outputs: int, direction: Direction, generator: torch.Generator | None
    ) -> None:
        super().__init__()
        inner = max(outputs // 2, 1)
        self.body = nn.Sequential(
            *_layer(inputs, inner, 1, "none", generator),
            nn.ReLU(),
            *_layer(inner, inner, 3, direction, generator),
            nn.ReLU(),
            *_layer(inner, outputs, 1, "none", generator),
        )
        self.shortcut: nn.Module = nn.Identity()
        if direction != "none" or inputs != outputs:
            self.shortcut = nn.Sequential(*_layer(inputs, outputs, 1, direction, generator))

    def forward(self, values: Tensor) -> Tensor:
        """(n, inputs, h, w) -> (n, outputs, h', w')."""
        return torch.relu(self.body(values) + self.shortcut(values))


def _stage(
    inputs: int,
    outputs: int,
    direction: Direction,
    blocks: Blocks,
    depth: int,
    generator: torch.Generator | None,
) -> nn.Sequential:
    if blocks == "plain":
        return nn.Sequential(
            *_layer(inputs, outputs, 3, direction, generator),
            nn.ReLU(),
            *_layer(outputs, outputs, 3, "none", generator),
            nn.ReLU(),
        )
    first = _Residual(inputs, outputs, direction, generator)
    rest = [_Residual(outputs, outputs, "none", generator) for _ in range(depth - 1)]
    return nn.Sequential(first, *rest)


def _reduction(channels: Sequence[int], generator: torch.Generator | None) -> nn.Sequential:
    """Stride-2 convolutions through the given numbers of channels."""
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(channels):
        layers += [*_layer(inputs, outputs, 3, "down", generator), nn.ReLU()]
    return nn.Sequential(*layers)


def _layer(
    inputs: int, outputs: int, kernel: int, direction: Direction, generator: torch.Generator | None
) -> tuple[nn.Module, nn.Module]:
    """A convolution without bias, initialised after He et al. 2015, and its normalisation."""
    if direction == "up":
        # Kernel 2 and stride 2: each output value has one input value in each channel.
        std = math.sqrt(2 / inputs)
        layer: nn.Module = conv_transpose(
            inputs, outputs, 2, generator, stride=2, bias=False, std=std
        )
    else:
        layer = conv(
            inputs,
            outputs,
            kernel,
            generator,
            stride=2 if direction == "down" else 1,
            padding=kernel // 2,
            bias=False,
            std=math.sqrt(2 / (outputs * kernel**2)),
        )
    return layer, nn.BatchNorm2d(outputs)
