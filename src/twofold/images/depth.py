"""From the numbers of a camera to 0..255: bit depths of integers, and floats from 0 to 1."""

from __future__ import annotations

from functools import lru_cache
from operator import index
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, ImageError, shown

__all__ = [
    "FULL_DEPTH",
    "check_bit_depth",
    "check_unit",
    "least_depth",
    "to_eight_bit",
    "unit_to_eight_bit",
]

FULL_DEPTH: Final = 16
"""Of integers of which nobody has said how many of their bits carry the picture."""

_LEAST, _MOST = 9, 16
_FOUND: Final = (10, 12, 14, 16)  # what cameras have


def check_bit_depth(value: object) -> int | None:
    """Return a user's statement of the bit depth as an int, or None for None.

    Raises ConfigError for anything but None or a whole number of 9 to 16.
    """
    if value is None:
        return None
    try:
        depth = index(value)  # type: ignore[arg-type]
    except TypeError:
        depth = -1
    if isinstance(value, bool) or not _LEAST <= depth <= _MOST:
        raise ConfigError(
            f"bit_depth is {shown(value)}: give a whole number from {_LEAST} to {_MOST}, or None "
            "to have it found; 8-bit images need none"
        )
    return depth


def least_depth(largest: int) -> int:
    """Return the least of 10, 12, 14 and 16 bits that hold the value `largest`."""
    return next((depth for depth in _FOUND if largest < 2**depth), FULL_DEPTH)


def to_eight_bit(values: NDArray[Any], depth: int, *, inverted: bool = False) -> NDArray[np.uint8]:
    """Return integers as 8-bit ones: value * 255 / (2**depth - 1), rounded.

    Args:
        values: of any shape, in native byte order.
        depth: how many bits the values have.
        inverted: 0 stands for white.

    Raises:
        ImageError: a value is negative or does not fit `depth`.
    """
    lowest, largest = int(values.min(initial=0)), int(values.max(initial=0))
    if lowest < 0 or largest >= 2**FULL_DEPTH:
        raise ImageError(
            "32-bit pixels have no agreed range: convert to 8 or 16 bit (a value of "
            f"{lowest if lowest < 0 else largest})"
        )
    if largest >= 2**depth:
        raise ImageError(
            f"a pixel value of {largest}, read with a bit depth of {depth} (values to "
            f"{2**depth - 1}): bit_depth={least_depth(largest)} states another"
        )
    table = _table(depth)
    eight: NDArray[np.uint8] = (table[::-1] if inverted else table)[values]
    return eight


@lru_cache(maxsize=_MOST)
def _table(depth: int) -> NDArray[np.uint8]:
    top = 2**depth - 1
    values = np.arange(top + 1, dtype=np.uint32)
    table = np.asarray((values * 255 + top // 2) // top, dtype=np.uint8)
    table.flags.writeable = False
    return table


def check_unit(values: NDArray[Any]) -> None:
    """Raise ImageError, naming the fix, unless floating point numbers lie from 0 to 1."""
    lowest, largest = float(values.min(initial=0)), float(values.max(initial=0))
    if not np.isfinite([lowest, largest]).all():
        raise ImageError("floating point pixels that are not finite: replace them, e.g. by 0")
    if lowest < 0 or largest > 1:
        raise ImageError(
            f"floating point pixels from {lowest:.4g} to {largest:.4g}: bring them to 0..1 (undo a "
            "normalisation, clip what lies outside), or give 8- or 16-bit integers"
        )


def unit_to_eight_bit(values: NDArray[Any], *, inverted: bool = False) -> NDArray[np.uint8]:
    """Return floating point numbers from 0 to 1 as 8-bit integers: value * 255, rounded.

    Raises ImageError as `check_unit` does.
    """
    check_unit(values)
    scaled: NDArray[np.float32] = np.asarray(values, dtype=np.float32) * np.float32(255)
    scaled = 255 - scaled if inverted else scaled
    return np.asarray(scaled + np.float32(0.5), dtype=np.uint8)
