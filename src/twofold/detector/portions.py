"""What is handed on of images while they are scored."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.encode import EncodedImages

__all__ = ["Portion"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Portion:
    """Some of the images that are scored, as the detector sees them.

    Attributes:
        rows: int64 (m,), the usable ones of the portion among the images as given.
        encoded: these, with the method's outputs and ``pooled``.
        scores: float64 (m,).
        grids: float64 (m, g, g), their maps as the method makes them; None of one without maps.
    """

    rows: NDArray[np.int64]
    encoded: EncodedImages
    scores: Array
    grids: Array | None
