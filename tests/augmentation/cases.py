"""Images to change."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Pixels = NDArray[np.uint8]


def noise(side: int, seed: int = 0) -> Pixels:
    return np.random.default_rng(seed).integers(0, 256, (side, side, 3), dtype=np.uint8)


def halves(side: int, axis: int) -> Pixels:
    """Dark, and bright from the middle of an axis on."""
    image = np.full((side, side, 3), 20, dtype=np.uint8)
    np.moveaxis(image, axis, 0)[side // 2 :] = 220
    return image
