"""What scoring gives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.images import Problem

__all__ = ["Scores"]

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scores:
    """What scoring a set of images gave; one row per image, in the order given.

    Attributes:
        names: of all images.
        scores: float64 (n,), larger = more anomalous; NaN where the image is unusable.
        percentiles: share of presumed normals that score no higher, in percent; NaN likewise.
        anomalous: int64 (n,), 1 = anomalous, 0 = normal, -1 = unusable.
        problems: the unusable images and why.
    """

    names: tuple[str, ...]
    scores: Array
    percentiles: Array
    anomalous: NDArray[np.int64]
    problems: tuple[Problem, ...]

    @property
    def usable(self) -> NDArray[np.bool_]:
        """bool (n,): which images have a score."""
        return self.anomalous >= 0
