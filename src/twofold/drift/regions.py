"""Where normal images lay at the fit: regions of each number, and the share that they must hold."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import ConfigError, NotEnoughImagesError

if TYPE_CHECKING:
    from scipy import special
else:
    special = deferred("scipy.special")

__all__ = ["LEAST_IMAGES", "Regions", "fit_regions"]

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]

LEAST_IMAGES = 20
"""Independent images below which nothing is known about where nine tenths of them lie."""
# Halves notice a move by half a spread. Larger regions say more of each image that has left them,
# so that they notice a large move, or anomalies, after fewer images; beyond 98% only the largest
# fits have more than a handful of images outside.
_SHARES = (0.5, 0.9, 0.98)


@dataclass(frozen=True, eq=False)
class Regions:
    """Regions of the numbers that tell of an image, each with the least share of images inside.

    An image is inside a region if its number is at most ``low``, or at least ``high``, or, where
    ``between``, at least ``low`` and at most ``high``.

    Attributes:
        feature: int64 (r,), which number of an image.
        low: float64 (r,); -inf where there is no lower part.
        high: float64 (r,); inf where there is no upper part.
        between: bool (r,).
        least: float64 (r,), of the images inside, in (0, 1).
    """

    feature: NDArray[np.int64]
    low: Array
    high: Array
    between: Mask
    least: Array

    def __len__(self) -> int:
        return len(self.feature)

    def inside(self, values: Array) -> Mask:
        """Which images are inside which region, bool (t, r).

        Args:
            values: float64 (t, f), the numbers of each image.
        """
        own = values[:, self.feature]
        inner = (own >= self.low) & (own <= self.high)
        outer = (own <= self.low) | (own >= self.high)
        return np.asarray(np.where(self.between, inner, outer))

    def parts(self) -> Array:
        """How a wealth is spread over the regions, float64 (r,), adding to 1.

        Half of it goes to the first number, the score, which sees what the detector sees; the other
        half to all others.
        """
        first = self.feature == 0
        halves = 2 if (~first).any() else 1
        each = np.where(first, 1 / first.sum(), 1 / max((~first).sum(), 1))
        return np.asarray(each / halves)


def fit_regions(
    values: Array, *, allowed: float, error: float, upper_only: bool = False
) -> Regions:
    """Regions that hold a half, nine tenths, and 98% of the images of the fit.

    Of each number there are four regions of a share: the lowest, the highest, the middle and the
    two ends. Whatever moves, narrows or widens the bulk of the images empties one of them.

    How many further images a region holds is known up to the images of the fit alone: between two
    of n order statistics lies a Beta distributed share, of any continuous distribution (Wilks
    1941); with ties it is no smaller, as the regions are closed. The least share is the Beta's
    quantile at ``error`` divided by the number of regions, so that all of them hold at once.

    Args:
        values: float64 (n, f), finite; of images that are independent draws, n >= 20.
        allowed: share of further images that may be anything at all, in [0, 1): the least share of
            a region is less by as much. It is what keeps more anomalies from passing for a domain
            that moved.
        error: probability that any least share is wrong, in (0, 1).
        upper_only: the lowest alone: of scores, what empties it is images that are odder.

    Raises:
        NotEnoughImagesError: fewer than 20 images.
        ConfigError: a share is out of its range.
    """
    n, n_features = values.shape
    if n < LEAST_IMAGES:
        raise NotEnoughImagesError(
            f"drift needs at least {LEAST_IMAGES} independent target images of the fit, got {n}"
        )
    if not 0 <= allowed < 1 or not 0 < error < 1:
        raise ConfigError("drift: allowed must lie in [0, 1), and error between 0 and 1")
    ordered = np.sort(values, axis=0)
    found = [
        (feature, *bounds)
        for feature in range(n_features)
        for share in _SHARES
        for bounds in _bounds(ordered[:, feature], share, upper_only=upper_only)
    ]
    feature, low, high, between, held = (np.array(column) for column in zip(*found, strict=True))
    least = special.betaincinv(held, n + 1 - held, error / len(found))
    return Regions(feature, low, high, between, (1.0 - allowed) * least)


def _bounds(
    ordered: Array, share: float, *, upper_only: bool
) -> list[tuple[float, float, bool, int]]:
    """Regions with a share of ordered values: low, high, between, and the spacings inside."""
    n = len(ordered)
    k = min(round(share * (n + 1)), n)
    lowest = (float(ordered[k - 1]), np.inf, False, k)
    if upper_only:
        return [lowest]
    # Spacings outside on either side: as many on both.
    side = max(1, (n + 1 - k) // 2)
    ends = max(1, k // 2)
    return [
        lowest,
        (-np.inf, float(ordered[n - k]), False, k),
        (float(ordered[side - 1]), float(ordered[n - side]), True, n + 1 - 2 * side),
        (float(ordered[ends - 1]), float(ordered[n - ends]), False, 2 * ends),
    ]
