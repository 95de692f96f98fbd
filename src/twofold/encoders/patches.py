"""Patch features: a few stage maps of one network as one grid of vectors of bounded length."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pydantic import JsonValue

from twofold.encoders.encoder import Encoder
from twofold.encoders.sides import split_side
from twofold.errors import ConfigError

__all__ = [
    "MAX_CHANNELS",
    "SEED",
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
SEED = 20250222
# Raise it with every change of `modules.PatchGrid` that gives other values for the same constants.
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
    taps = tuple(sorted(encoder.spec.map_channels))
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
        "projection_seed": SEED if total > MAX_CHANNELS else None,
    }
