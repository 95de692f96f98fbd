"""Whole-image vectors of an image seen smaller: the same network, coarser detail."""

from __future__ import annotations

import re

from pydantic import JsonValue

from twofold.encoders.encoder import Encoder

__all__ = ["is_pooled", "pooled_name", "pooled_specification", "shape_of"]

_NAME = re.compile(r"pooled(?:-([1-9]))?")
# Sides are multiples of the coarsest stride of the usual networks, so that every cell of the last
# map sees image only.
_STRIDE = 32
# Raise it with every change of `modules.resized` after which the same side gives other values.
VERSION = 1


def pooled_name(steps: int = 0) -> str:
    """The output's name: ``pooled``, or e.g. ``pooled-1`` for the image half an octave smaller."""
    return f"pooled-{steps}" if steps else "pooled"


def is_pooled(name: str) -> bool:
    """Whether an output's name is of this family."""
    return _NAME.fullmatch(name) is not None


def shape_of(name: str, encoder: Encoder) -> tuple[int, int]:
    """Height and width in pixels at which an output sees the image.

    The encoder's own; for those of this family divided by the root of two for each step and rounded
    to a multiple of 32 (of its patches, for a transformer), unless the encoder takes images of one
    size only.
    """
    match = _NAME.fullmatch(name)
    height, width = encoder.spec.preprocessing.shape
    if match is None or match[1] is None or not encoder.spec.any_size:
        return height, width
    factor = 2 ** (int(match[1]) / 2)
    step = encoder.spec.patch or _STRIDE

    def smaller(side: int) -> int:
        return min(max(round(side / factor / step), 1) * step, side)

    return smaller(height), smaller(width)


def pooled_specification(name: str, encoder: Encoder) -> dict[str, JsonValue]:
    """What decides the values of these vectors: the size at which the network sees the image."""
    height, width = shape_of(name, encoder)
    side: JsonValue = height if height == width else [height, width]
    return {"kind": "pooled", "version": VERSION, "side": side}
