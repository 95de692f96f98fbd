"""Where normal scores lie, read off a sample with anomalies in it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import NotEnoughImagesError

if TYPE_CHECKING:
    from scipy import special
else:
    special = deferred("scipy.special")

__all__ = ["Scale", "lower_spread", "scale_of"]

Array = NDArray[np.float64]

# Scores of copies are equal; their logarithms still need a spread to be divided by.
_LEAST_SPREAD = 1e-6


@dataclass(frozen=True)
class Scale:
    """Where normal scores lie on the logarithmic scale.

    Attributes:
        center: median of the logarithms.
        spread: from the median down to the point that one sixth lies below (one standard deviation
            of a normal distribution): anomalies score high and hardly touch that side.
    """

    center: float
    spread: float

    def standardise(self, scores: Array) -> Array:
        """Positive scores in units of normal spreads above the normal median."""
        return np.asarray((np.log(np.maximum(scores, 1e-300)) - self.center) / self.spread)

    def to_array(self) -> Array:
        """Center and spread, float64 (2,)."""
        return np.array([self.center, self.spread])

    @classmethod
    def from_array(cls, array: NDArray[Any]) -> Scale:
        """Inverse of :meth:`to_array`.

        Raises:
            ValueError: not two finite numbers with a positive spread.
        """
        center, spread = (float(value) for value in array)
        if not spread > 0 or not np.isfinite([center, spread]).all():
            raise ValueError(f"a scale of center {center} and spread {spread}")
        return cls(center, spread)


def lower_spread(values: Array) -> tuple[float, float]:
    """Median, and the distance down to the point that one sixth lies below.

    One standard deviation of a normal distribution, from the side that anomalies hardly touch.

    Args:
        values: float64 (n,), most of them of normals.

    Raises:
        NotEnoughImagesError: no value.
    """
    if not len(values):
        raise NotEnoughImagesError("the spread of scores needs at least 1 image, got 0")
    center = float(np.median(values))
    return center, center - float(np.quantile(values, special.ndtr(-1.0)))


def scale_of(scores: Array) -> Scale:
    """The scale of a sample of out-of-sample scores, most of them of normals.

    Args:
        scores: float64 (n,), positive, n >= 1.
    """
    center, spread = lower_spread(np.log(np.maximum(scores, 1e-300)))
    return Scale(center, max(spread, _LEAST_SPREAD))
