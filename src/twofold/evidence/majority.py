"""Whether most of the pool lies together: the skewness of the distances between its images."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError

__all__ = ["DistanceSkewness", "distance_skewness"]

Array = NDArray[np.float64]

# Larger pools are drawn from at random: the cost grows with the square.
MOST_ROWS = 1000
# Leaving one image out must leave pairs enough for a third moment.
_LEAST_ROWS = 4
# Both ends together leave out a tenth: each holds on its own with 95%.
_NORMAL_95 = 1.6448536269514722
# Relative to the rows' length: a variance of distances below is one of rounding.
_ROUNDING = 1e-9


@dataclass(frozen=True)
class DistanceSkewness:
    """Skewness of the squared distances between all pairs of images.

    Attributes:
        value: 0 where all distances are the same.
        low: lower end of a 90% jackknife interval, at most ``value``.
        high: its upper end, at least ``value``.
    """

    value: float
    low: float
    high: float


def distance_skewness(features: NDArray[np.floating], *, random_state: int) -> DistanceSkewness:
    r"""Skewness of the squared Euclidean distances between the pool's images.

    Where a share e of the pool is anomalous and anomalies lie far from the normals and from each
    other, a share :math:`(1 - e)^2` of the pairs is near and the rest far. The skewness of two
    values is positive as long as the near one is the more frequent, and changes its sign at
    :math:`e = 1 - \sqrt{1/2} = 29\%`, little above the quarter that the robust fit leaves out.
    One Gaussian mode has a positive skewness, :math:`\sqrt{8 / k}` in k dimensions, whatever its
    scale. A negative value says that there is no near majority.

    A positive one does not say that there is: anomalies of one kind lie near each other, and
    those that hardly differ from the normals are not far. Normals of many kinds have a negative one
    without any anomaly.

    Args:
        features: (n, d) finite, n >= 4; at most 1000 rows, drawn at random, are used.
        random_state: of the draw.

    Returns:
        The skewness with a 90% interval from the jackknife over images (Arvesen 1969): pairs that
        share an image are not independent. Zeros where all distances are the same.
        Cost O(n^2 d).

    Raises:
        NotEnoughImagesError: fewer than four rows.
    """
    rows = np.asarray(features, dtype=np.float64)
    if len(rows) < _LEAST_ROWS:
        raise NotEnoughImagesError(
            f"the skewness of distances needs at least {_LEAST_ROWS} target images, got {len(rows)}"
        )
    if len(rows) > MOST_ROWS:
        rng = np.random.default_rng(random_state)
        rows = rows[np.sort(rng.choice(len(rows), MOST_ROWS, replace=False))]
    squared, scale = _squared_distances(rows)
    if scale <= 0:
        return DistanceSkewness(0.0, 0.0, 0.0)
    n = len(rows)
    # Sums of the first three powers, over all pairs and over those of one image.
    by_image = np.stack([(squared**power).sum(axis=1) for power in (1, 2, 3)])
    total = by_image.sum(axis=1) / 2.0
    value = float(_skewness(total[:, None], n * (n - 1) / 2)[0])
    without = _skewness(total[:, None] - by_image, (n - 1) * (n - 2) / 2)
    error = float(np.sqrt((n - 1) / n * np.square(without - without.mean()).sum()))
    return DistanceSkewness(value, value - _NORMAL_95 * error, value + _NORMAL_95 * error)


def _squared_distances(rows: Array) -> tuple[Array, float]:
    """Around their mean, in units of their spread, with a zero diagonal; and the mean itself."""
    largest = float(np.abs(rows).max())
    # Squares of huge or tiny numbers leave the range of floats.
    unit = rows / largest if largest > 0 else rows
    centred = unit - unit.mean(axis=0)
    lengths = np.einsum("ij,ij->i", centred, centred)
    if lengths.max() <= _ROUNDING**2 * float(np.einsum("ij,ij->i", unit, unit).max()):
        return np.zeros((len(rows), len(rows))), 0.0
    squared = np.maximum(lengths[:, None] + lengths - 2.0 * (centred @ centred.T), 0.0)
    mean = float(squared.sum() / (len(rows) * (len(rows) - 1)))
    apart = squared / mean - 1.0
    np.fill_diagonal(apart, 0.0)
    return apart, mean


def _skewness(sums: Array, pairs: float) -> Array:
    """From sums (3, q) of the first three powers over ``pairs`` pairs; 0 without a variance."""
    first, second, third = sums / pairs
    variance = second - first**2
    moment = third - 3.0 * first * second + 2.0 * first**3
    spread = np.maximum(variance, 0.0)
    varies = spread > _ROUNDING
    return np.where(varies, moment / np.where(varies, spread, 1.0) ** 1.5, 0.0)
