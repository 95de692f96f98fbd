"""What every function of this package asks of an image."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError

__all__ = ["LEAST_SIDE", "Pixels", "check_image"]

Pixels = NDArray[np.uint8]

# On less than 16 px the smallest defect is a pixel and has no shape to speak of.
LEAST_SIDE = 16


def check_image(image: Pixels, name: str = "image") -> None:
    """Raise UsageError unless ``image`` is uint8 (h, w, 3) with sides of 16 px or more."""
    if image.dtype != np.uint8 or image.ndim != 3 or image.shape[2] != 3:
        raise UsageError(f"{name}: wanted uint8 (h, w, 3), got {image.dtype} {image.shape}")
    if min(image.shape[:2]) < LEAST_SIDE:
        raise UsageError(f"{name}: sides must be {LEAST_SIDE} px or more, got {image.shape[:2]}")
