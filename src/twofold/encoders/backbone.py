"""A network as a chain of segments, so that any prefix of it can be frozen and cached."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import get_args

from torch import Tensor, nn

from twofold.encoders.spec import Trainable
from twofold.errors import ConfigError

__all__ = ["Backbone", "SizedStem", "Suffix", "as_map", "freeze_batch_norm"]


class Backbone(nn.Module):
    """Segments applied in order; the last one ends in the pooled (n, d) vector.

    Args:
        segments: name -> module. Names are those of the tensors' prefixes in the state dict.
        taps: stride in pixels -> name of the segment whose output is the stage map at that stride.
        last_stage: name of the first segment that trains under ``trainable="last_stage"``.
    """

    def __init__(
        self, segments: Mapping[str, nn.Module], taps: Mapping[int, str], last_stage: str
    ) -> None:
        super().__init__()
        self.segments = nn.ModuleDict(segments)
        self.taps = dict(taps)
        self.last_stage = last_stage

    def forward(self, images: Tensor) -> Tensor:
        """(n, 3, h, w) normalised images -> (n, d) pooled features."""
        for segment in self.segments.values():
            images = segment(images)
        return images

    def split_index(self, trainable: Trainable) -> int:
        """Number of leading segments that stay frozen.

        Raises:
            ConfigError: unknown policy.
        """
        if trainable not in get_args(Trainable):
            known = ", ".join(get_args(Trainable))
            raise ConfigError(f"unknown trainable {trainable!r}: choose one of {known}")
        names = list(self.segments)
        return {"all": 0, "last_stage": names.index(self.last_stage), "head": len(names)}[trainable]

    def suffix(self, trainable: Trainable) -> Suffix:
        """A trainable copy-free view of the segments behind the split."""
        names = list(self.segments)[self.split_index(trainable) :]
        return Suffix((name, self.segments[name]) for name in names)

    def between(self, first: int | None, last: int) -> Suffix:
        """The segments that lead from one stage map to a later one, without a copy.

        Args:
            first: stride of the map that goes in; None starts from the images.
            last: stride of the map that comes out.

        Raises:
            ConfigError: there is no such map, or ``last`` is not behind ``first``.
        """
        for stride in (first, last):
            if stride is not None and stride not in self.taps:
                known = ", ".join(map(str, sorted(self.taps))) or "none"
                raise ConfigError(f"no stage map at stride {stride}: choose from {known}")
        names = list(self.segments)
        start = 0 if first is None else names.index(self.taps[first]) + 1
        stop = names.index(self.taps[last]) + 1
        if start >= stop:
            raise ConfigError(f"the map at stride {last} is not behind that at stride {first}")
        return Suffix((name, self.segments[name]) for name in names[start:stop])


class SizedStem(nn.Module, ABC):
    """A first segment, some tensors of which depend on the size of the images."""

    @abstractmethod
    def fixed(self, shape: tuple[int, int]) -> nn.Module:
        """The same for frozen inference on images of one size, with these tensors as constants.

        Args:
            shape: height and width of the images in pixels.
        """


def as_map(activations: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
    """A segment's output as a stage map (n, c, h, w).

    Transformer tokens (n, t, c) lose what leads (class token, registers) and are laid out on their
    grid; maps are returned as they are.

    Args:
        activations: what the segment gave.
        grid: rows and columns of tokens; None is the largest square that they fill.
    """
    if activations.ndim == 4:
        return activations
    side = math.isqrt(activations.shape[1])
    rows, columns = (side, side) if grid is None else grid
    patches = activations[:, activations.shape[1] - rows * columns :]
    return patches.transpose(1, 2).reshape(len(patches), -1, rows, columns)


class Suffix(nn.Module):
    """Consecutive segments, such as the trainable end of a network."""

    def __init__(self, segments: Iterable[tuple[str, nn.Module]]) -> None:
        super().__init__()
        self.segments = nn.ModuleDict(dict(segments))

    def forward(self, activations: Tensor) -> Tensor:
        """(n, ...) activations at the split -> what the last segment gives, (n, d) at the end."""
        for segment in self.segments.values():
            activations = segment(activations)
        return activations


def freeze_batch_norm(module: nn.Module) -> None:
    """Put every normalisation layer with running statistics in evaluation mode.

    With batches drawn from two domains, live statistics would be a hidden adaptation of their own.
    """
    for child in module.modules():
        if isinstance(child, nn.modules.batchnorm._BatchNorm):
            child.eval()
