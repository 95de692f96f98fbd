"""Patch features: a few stage maps of one network as one grid of vectors of bounded length."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence

import torch
from pydantic import JsonValue
from torch import Tensor, nn
from torch.nn.functional import adaptive_avg_pool2d, avg_pool2d

from twofold.encoders.encoder import Encoder
from twofold.encoders.sides import split_side
from twofold.errors import ConfigError

__all__ = [
    "MAX_CHANNELS",
    "PatchGrid",
    "is_patches",
    "patch_channels",
    "patch_strides",
    "patches_name",
    "patches_specification",
]

# Covariances grow with the square of it: 160 keeps those of 14 x 14 places at 20 MB in float32,
# and holds the 152 to 168 channels of the Lite family's middle stages nearly unprojected.
MAX_CHANNELS = 160
# Edges and textures below, parts of objects above; stage 4 is colour blobs, stage 32 the class
# (Roth et al. 2022 choose the same two levels of a ResNet).
_USUAL = (8, 16)
_NAME = re.compile(r"patches(?::(\d+(?:\+\d+)*))?@(\d+)")
# The projection's own seed: part of what the output's name stands for, and nobody's choice.
_SEED = 20250222
# Raise it with every change of PatchGrid after which the same constants give other values.
VERSION = 1


def patches_name(strides: Sequence[int] | None = None, neighbourhood: int = 3) -> str:
    """The output's name, e.g. ``patches:8+16@3``; without strides the encoder's middle stages.

    Args:
        strides: of the stage maps, in pixels.
        neighbourhood: side of the square of places each map is averaged over first; odd.
    """
    chosen = "" if strides is None else ":" + "+".join(map(str, sorted(set(strides))))
    return f"patches{chosen}@{neighbourhood}"


def is_patches(name: str) -> bool:
    """Whether an output's name is of this family."""
    return name.startswith("patches")


def patch_strides(name: str, encoder: Encoder) -> tuple[tuple[int, ...], int]:
    """The strides and the neighbourhood a name stands for with this encoder.

    Raises:
        ConfigError: not such a name, no such stage map, or an even neighbourhood.
    """
    match = _NAME.fullmatch(name)
    taps = tuple(sorted(encoder.network.backbone.taps))
    if match is None:
        raise ConfigError(f"unknown output {name!r}: write patches@3 or patches:8+16@3")
    side = int(match[2])
    if side % 2 == 0:
        raise ConfigError(f"{name}: the neighbourhood must be odd, not {side}")
    if match[1] is None:
        usual = tuple(stride for stride in _USUAL if stride in taps)
        return usual or taps, side
    strides = tuple(sorted({int(part) for part in match[1].split("+")}))
    for stride in strides:
        if stride not in taps:
            known = ", ".join(map(str, taps))
            raise ConfigError(
                f"{encoder.spec.id} has no stage map at stride {stride}: choose from {known}"
            )
    return strides, side


def patch_channels(name: str, encoder: Encoder) -> int:
    """Channels of the grid a name stands for with this encoder; errors as :func:`patch_strides`."""
    strides, _ = patch_strides(split_side(name, encoder)[0], encoder)
    return min(sum(encoder.spec.map_channels[stride] for stride in strides), MAX_CHANNELS)


def patches_specification(name: str, encoder: Encoder) -> dict[str, JsonValue]:
    """What decides the values of these patches; errors as :func:`patch_strides`."""
    strides, neighbourhood = patch_strides(name, encoder)
    total = sum(encoder.spec.map_channels[stride] for stride in strides)
    return {
        "kind": "patches",
        "version": VERSION,
        "strides": list(strides),
        "neighbourhood": neighbourhood,
        "channels": min(total, MAX_CHANNELS),
        "projection_seed": _SEED if total > MAX_CHANNELS else None,
    }


class PatchGrid(nn.Module):
    """Stage maps, each averaged over its neighbourhood, on the grid of the coarsest, joined.

    Averaging over neighbours tolerates small displacements (Roth et al. 2022, PatchCore, eq. 2).
    More than :data:`MAX_CHANNELS` channels are mixed down by a fixed random projection, which keeps
    distances to within a few percent (Johnson & Lindenstrauss 1984): at most
    ``4 * MAX_CHANNELS * grid**2`` bytes an image, 125 KB at 14 x 14 places, for every encoder.

    Args:
        channels: of the maps, in the order they are given to :meth:`forward`.
        neighbourhood: odd.
    """

    projection: Tensor | None

    def __init__(self, channels: Sequence[int], neighbourhood: int) -> None:
        super().__init__()
        self._side = neighbourhood
        total = sum(channels)
        projection = None
        if total > MAX_CHANNELS:
            generator = torch.Generator().manual_seed(_SEED)
            mixing = torch.randn(total, MAX_CHANNELS, generator=generator, dtype=torch.float64)
            # Orthonormal columns lose the least; the factor keeps the mean squared length.
            columns = torch.linalg.qr(mixing)[0] * math.sqrt(total / MAX_CHANNELS)
            projection = columns.T.reshape(MAX_CHANNELS, total, 1, 1).float()
        self.register_buffer("projection", projection)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        """Maps (n, c_i, g_i, h_i) -> (n, min(sum c_i, MAX_CHANNELS), g, h), the least of each."""
        # While OpenVINO traces, sizes are tensors; those of an engine never change.
        down, across = (min(int(one.shape[axis]) for one in maps) for axis in (-2, -1))
        parts = []
        for feature_map in maps:
            smooth = feature_map
            if self._side > 1:
                smooth = avg_pool2d(
                    feature_map, self._side, 1, self._side // 2, count_include_pad=False
                )
            parts.append(adaptive_avg_pool2d(smooth, (down, across)))
        joined = torch.cat(parts, dim=1)
        if self.projection is None:
            return joined
        return nn.functional.conv2d(joined, self.projection)
