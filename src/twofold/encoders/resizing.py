"""Resizing pixels with antialiasing, the same bits by PyTorch and by NumPy.

PyTorch's filter for uint8 images, after Pillow's, is integer arithmetic: weights rounded to 16
bits, sums rounded to whole grey levels, first along rows, then along columns. So another
implementation can give the very same pixels. PyTorch takes a fifth of the time of this one an
image, and seconds to be imported: it is used where somebody has imported it already.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from twofold.threads import one_thread

__all__ = ["Filter", "resize", "resize_by_numpy"]

Filter = Literal["bicubic", "bilinear"]
Pixels = NDArray[np.uint8]

# Weights are the largest integers that 16 bits with a sign hold, of at most this many bits.
_MOST_BITS = 22
# Below 2^24 every integer is a float32: sums of up to 15 bits of weights times 8 bits of pixels.
_EXACT_BITS = 15
# Rows of weights that share one matrix product. Each depends on few pixels, so that one product of
# all would mostly multiply zeros.
_ROWS = 16


def resize(images: Pixels, shape: tuple[int, int], kind: Filter) -> Pixels:
    """Images of one size at another.

    Args:
        images: uint8 (n, h, w, 3).
        shape: height and width in pixels.
        kind: of filter; its width grows with the reduction, so that no detail is skipped.

    Returns:
        uint8 (n, *shape, 3).
    """
    if "torch" not in sys.modules:
        # Other threads decode and run networks meanwhile: those of products would wait for them.
        with one_thread():
            return np.stack([resize_by_numpy(image, shape, kind) for image in images])
    import torch  # noqa: PLC0415 - somebody has paid for it

    channels_first = torch.from_numpy(images).permute(0, 3, 1, 2)
    resized = torch.nn.functional.interpolate(channels_first, size=shape, mode=kind, antialias=True)
    return np.asarray(resized.permute(0, 2, 3, 1).numpy())


def resize_by_numpy(image: Pixels, shape: tuple[int, int], kind: Filter) -> Pixels:
    """One image as :func:`resize` gives it, uint8 (h, w, 3) -> (*shape, 3), without PyTorch."""
    (height, width), (before_height, before_width) = shape, image.shape[:2]
    # Channel by channel: copies of three bytes at a time would take longer than the products.
    planes = np.empty((before_height, 3, before_width), dtype=np.uint8)
    for channel in range(3):
        planes[:, channel] = image[..., channel]
    if width != before_width:
        rows = planes.reshape(-1, before_width)
        planes = _along(rows.T, _weights(before_width, width, kind)).T.reshape(-1, 3, width)
    if height != before_height:
        columns = planes.reshape(before_height, -1)
        planes = _along(columns, _weights(before_height, height, kind)).reshape(-1, 3, width)
    result = np.empty((height, width, 3), dtype=np.uint8)
    for channel in range(3):
        result[..., channel] = planes[:, channel]
    return result


@dataclass(frozen=True)
class _Weights:
    """Of one axis, in groups of output cells.

    Attributes:
        n: output cells.
        groups: first output cell, the input cells that the group depends on, and its weights
            (output cells, input cells), multiples of a power of two.
    """

    n: int
    groups: tuple[tuple[int, slice, NDArray[Any]], ...]


def _along(pixels: Pixels, weights: _Weights) -> Pixels:
    """Pixels (before, k) -> (weights.n, k), each sum rounded half up and kept within a byte."""
    result = np.empty((weights.n, pixels.shape[1]), dtype=np.uint8)
    values = pixels.astype(weights.groups[0][2].dtype)
    for first, seen, factors in weights.groups:
        sums = factors @ values[seen]
        sums += 0.5
        np.clip(sums, 0.0, 255.5, out=sums)
        result[first : first + len(factors)] = sums  # of what is not negative, rounding down
    return result


@lru_cache(maxsize=64)
def _weights(before: int, after: int, kind: Filter) -> _Weights:
    """The filter's weights for an axis of ``before`` cells that becomes one of ``after``."""
    scale = before / after
    reach = (2.0 if kind == "bicubic" else 1.0) * max(scale, 1.0)
    dense = np.zeros((after, before))
    for cell in range(after):
        centre = scale * (cell + 0.5)
        first, stop = max(int(centre - reach + 0.5), 0), min(int(centre + reach + 0.5), before)
        apart = (np.arange(first, stop) - centre + 0.5) / max(scale, 1.0)
        factors = _cubic(apart) if kind == "bicubic" else np.maximum(1.0 - np.abs(apart), 0.0)
        dense[cell, first:stop] = factors / factors.sum()
    bits = _bits(float(dense.max()))
    scaled = dense * 2.0**bits
    rounded = np.trunc(scaled + np.where(scaled < 0, -0.5, 0.5)) / 2.0**bits
    exact = np.float32 if bits <= _EXACT_BITS else np.float64
    groups = []
    for first in range(0, after, _ROWS):
        rows = rounded[first : first + _ROWS]
        used = np.flatnonzero(rows.any(axis=0))
        seen = slice(int(used[0]), int(used[-1]) + 1)
        groups.append((first, seen, np.ascontiguousarray(rows[:, seen], dtype=exact)))
    return _Weights(after, tuple(groups))


def _cubic(apart: NDArray[Any]) -> NDArray[Any]:
    """Keys' cubic with a = -0.5, as Pillow and PyTorch have it for antialiasing."""
    x, a = np.abs(apart), -0.5
    near = ((a + 2.0) * x - (a + 3.0)) * x * x + 1.0
    far = (((x - 5.0) * x + 8.0) * x - 4.0) * a
    return np.where(x < 1.0, near, np.where(x < 2.0, far, 0.0))


def _bits(largest: float) -> int:
    """With how many bits behind the point the largest weight still fits 16 bits with a sign."""
    bits = 0
    while bits < _MOST_BITS and int(0.5 + largest * 2 ** (bits + 1)) < 2**15:
        bits += 1
    return bits
