"""Outputs of an image seen larger or smaller than the encoder's own input.

``NAME/SIDE`` is output NAME of images resized to a square, ``NAME/WIDTHxHEIGHT`` to a rectangle.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from twofold.encoders.encoder import Encoder
from twofold.encoders.spec import Preprocessing
from twofold.errors import ConfigError

__all__ = ["AtSide", "Side", "at_side", "by_side", "split_side"]

Side = int | tuple[int, int]
"""The side of a square in pixels, or width and height of a rectangle."""

_NAME = re.compile(r"(?P<base>[^/]*)(?:/(?P<width>[1-9]\d{0,4})(?:x(?P<height>[1-9]\d{0,4}))?)?")


def at_side(name: str, side: Side | None) -> str:
    """The name of an output for images resized to a square or a rectangle.

    Args:
        name: an output's, such as ``patches:8@1``.
        side: in pixels; None is the encoder's own and leaves the name as it is.
    """
    if side is None:
        return name
    width, height = (side, side) if isinstance(side, int) else side
    return f"{name}/{width}" if width == height else f"{name}/{width}x{height}"


def split_side(name: str, encoder: Encoder) -> tuple[str, Encoder]:
    """The output's name without a side, and the encoder for images of that side.

    Raises:
        ConfigError: no such name, or the encoder takes images of one size only.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"unknown output {name!r}: write NAME, NAME/SIDE or NAME/WIDTHxHEIGHT")
    base, width, height = match["base"], match["width"], match["height"]
    if width is None:
        return base, encoder
    return base, encoder.at_size(int(height or width), int(width))


@dataclass(frozen=True)
class AtSide:
    """Outputs that see the images at one size.

    Attributes:
        encoder: at that size.
        names: of the outputs.
        bases: the same without the size.
    """

    encoder: Encoder
    names: tuple[str, ...]
    bases: tuple[str, ...]

    @property
    def preprocessing(self) -> Preprocessing:
        """What makes images an input of that size."""
        return self.encoder.spec.preprocessing

    @property
    def shape(self) -> tuple[int, int]:
        """Height and width in pixels."""
        return self.preprocessing.shape


def by_side(encoder: Encoder, outputs: Iterable[str]) -> tuple[AtSide, ...]:
    """The sizes at which outputs see the images, in the order in which they are first named.

    Raises:
        ConfigError: no such name, or the encoder takes images of one size only.
    """
    found: dict[tuple[int, int], list[tuple[str, str, Encoder]]] = {}
    for name in outputs:
        base, at = split_side(name, encoder)
        found.setdefault(at.spec.preprocessing.shape, []).append((name, base, at))
    return tuple(
        AtSide(seen[0][2], tuple(name for name, _, _ in seen), tuple(base for _, base, _ in seen))
        for seen in found.values()
    )
