"""Outputs of an image seen larger or smaller than the encoder's own input: ``NAME/SIDE``."""

from __future__ import annotations

import re

from twofold.encoders.encoder import Encoder
from twofold.errors import ConfigError

__all__ = ["at_side", "split_side"]

_NAME = re.compile(r"(?P<base>[^/]*)(?:/(?P<side>[1-9]\d{0,4}))?")


def at_side(name: str, side: int | None) -> str:
    """The name of an output for images resized to a square of ``side`` pixels.

    Args:
        name: an output's, such as ``patches:8@1``.
        side: in pixels; None is the encoder's own and leaves the name as it is.
    """
    return name if side is None else f"{name}/{side}"


def split_side(name: str, encoder: Encoder) -> tuple[str, Encoder]:
    """The output's name without a side, and the encoder for images of that side.

    Raises:
        ConfigError: no such name, or the encoder takes images of one size only.
    """
    match = _NAME.fullmatch(name)
    if match is None:
        raise ConfigError(f"unknown output {name!r}: write NAME or NAME/SIDE")
    side = match["side"]
    return match["base"], encoder if side is None else encoder.at_size(int(side))
