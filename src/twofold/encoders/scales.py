"""Whole-image vectors of an image seen smaller: the same network, coarser detail."""

from __future__ import annotations

import re

from pydantic import JsonValue
from torch import Tensor
from torch.nn.functional import interpolate

from twofold.encoders.encoder import Encoder

__all__ = ["is_pooled", "pooled_name", "pooled_specification", "resized", "side_of"]

_NAME = re.compile(r"pooled(?:-([1-9]))?")
# Sides are multiples of the coarsest stride of the usual networks, so that every cell of the last
# map sees image only.
_STRIDE = 32
# Raise it with every change of :func:`resized` after which the same side gives other values.
VERSION = 1


def pooled_name(steps: int = 0) -> str:
    """The output's name: ``pooled``, or e.g. ``pooled-1`` for the image half an octave smaller."""
    return f"pooled-{steps}" if steps else "pooled"


def is_pooled(name: str) -> bool:
    """Whether an output's name is of this family."""
    return _NAME.fullmatch(name) is not None


def side_of(name: str, encoder: Encoder) -> int:
    """Side in pixels at which an output sees the image.

    The encoder's own; for those of this family divided by the root of two for each step and rounded
    to a multiple of 32, unless the encoder takes images of one size only.
    """
    match = _NAME.fullmatch(name)
    size = encoder.spec.preprocessing.size
    if match is None or match[1] is None or not encoder.spec.any_size:
        return size
    wanted = size / 2 ** (int(match[1]) / 2)
    return min(max(round(wanted / _STRIDE), 1) * _STRIDE, size)


def pooled_specification(name: str, encoder: Encoder) -> dict[str, JsonValue]:
    """What decides the values of these vectors: the side at which the network sees the image."""
    return {"kind": "pooled", "version": VERSION, "side": side_of(name, encoder)}


def resized(images: Tensor, side: int) -> Tensor:
    """Square images (n, 3, s, s) at another side; antialiased, as vectors depend on it."""
    if int(images.shape[-1]) == side:
        return images
    return interpolate(images, (side, side), mode="bilinear", antialias=True, align_corners=False)
