"""Where a defect lies: outlines of an exact number of pixels.

An outline is a float64 array (h, w) of depths: 0 at the innermost pixel of the defect, rising to
just below 1 at its rim, 1 or more outside. Exactly ``n`` pixels are below 1, whatever the shape
and wherever it is cut off by the border of the image.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred

if TYPE_CHECKING:
    from scipy import ndimage, spatial
else:
    ndimage = deferred("scipy.ndimage")
    spatial = deferred("scipy.spatial")

__all__ = ["curve", "rectangle", "star"]

Array = NDArray[np.float64]
Shape = tuple[int, int]


def _depths(distance: Array, n: int) -> Array:
    """Rank of each of the ``n`` nearest pixels over ``n``, equal distances in reading order; or 1.

    Only pixels that can be among them are sorted, which are few of an image.
    """
    flat, depths = distance.ravel(), np.ones(distance.size)
    near = np.flatnonzero(flat <= np.partition(flat, n - 1)[n - 1])
    nearest = near[np.argsort(flat[near], kind="stable")[:n]]
    depths[nearest] = np.arange(n) / n
    return depths.reshape(distance.shape)


def _around_a_point(shape: Shape, rng: np.random.Generator) -> tuple[Array, Array]:
    """Rows and columns of all pixels as seen from a random point of the image, in px."""
    middle = rng.uniform(0, shape[0] - 1), rng.uniform(0, shape[1] - 1)
    rows, columns = np.indices(shape, dtype=np.float64)
    return rows - middle[0], columns - middle[1]


def rectangle(shape: Shape, n: int, rng: np.random.Generator) -> Array:
    """Depths of a rectangle turned by up to 45 degrees, sides at most 1 : 3.

    CutPaste (Li et al. 2021) draws sides of up to 1 : 3.3; its scars are turned by up to 45
    degrees.

    Args:
        shape: height and width of the image, px.
        n: pixels inside, from 1 to h w.
        rng: of every draw.
    """
    rows, columns = _around_a_point(shape, rng)
    angle = rng.uniform(-math.pi / 4, math.pi / 4)
    root = math.exp(rng.uniform(-0.5, 0.5) * math.log(3))  # of the ratio of the sides
    along = columns * math.cos(angle) + rows * math.sin(angle)
    across = rows * math.cos(angle) - columns * math.sin(angle)
    return _depths(np.maximum(np.abs(along) / root, np.abs(across) * root), n)


def star(shape: Shape, n: int, rng: np.random.Generator) -> Array:
    """Depths of a smooth, irregular blot: an ellipse whose radius wavers with the direction.

    Arguments as of :func:`rectangle`.
    """
    rows, columns = _around_a_point(shape, rng)
    stretch = math.exp(rng.uniform(-0.4, 0.4))
    rows, columns = rows * stretch, columns / stretch
    direction = np.arctan2(rows, columns)
    radius = np.ones(shape)
    for waves in (1, 2, 3, 5):  # amplitudes add up to less than 1, so no lobe comes loose
        amplitude = rng.uniform(0, 0.3) / waves**0.5
        radius += amplitude * np.cos(waves * direction + rng.uniform(0, 2 * math.pi))
    return _depths(np.hypot(rows, columns) / radius, n)


def curve(shape: Shape, n: int, rng: np.random.Generator) -> Array:
    """Depths of a thin, slightly bent line that lies wholly inside the image.

    It is 1.5 to 3 px wide, on images of more than 256 px in proportion; wider where the longest
    line, nine tenths of the shorter side, would have fewer than ``n`` pixels. Arguments as of
    :func:`rectangle`.
    """
    least = min(shape)
    width = rng.uniform(1.5, 3) * max(1, least / 256)
    half = min(n / width, 0.9 * least) / 2
    angle = rng.uniform(0, math.pi)
    ahead = half * np.array([math.sin(angle), math.cos(angle)])
    corner = np.array(shape, dtype=np.float64) - 1
    middle = rng.uniform(np.abs(ahead), corner - np.abs(ahead))
    side = np.array([-ahead[1], ahead[0]]) * rng.uniform(-0.6, 0.6)
    bend = np.clip(middle + side, 0, corner)
    t = np.linspace(0, 1, 2 + math.ceil(8 * half))[:, None]  # four points to a pixel
    points = (1 - t) ** 2 * (middle - ahead) + 2 * t * (1 - t) * bend + t**2 * (middle + ahead)
    return _depths(_distance(shape, points, n / half + 2, n), n)


def _distance(shape: Shape, points: Array, reach: float, n: int) -> Array:
    """Each pixel's distance to the nearest point, px; infinite beyond ``reach``, which saves time.

    Where fewer than ``n`` pixels are that near, as beside the border, all are measured.
    """
    tree, distance = spatial.KDTree(points), np.full(shape, math.inf)
    # Only pixels near a pixel with a point on it can be near a point.
    touched = np.ones(shape, dtype=np.bool_)
    touched[tuple(np.rint(points).astype(int).T)] = False
    near = ndimage.distance_transform_edt(touched) <= reach + 1.0
    distance[near], _ = tree.query(np.argwhere(near), distance_upper_bound=reach)
    if np.isfinite(distance).sum() < n:
        found, _ = tree.query(np.argwhere(np.ones(shape, dtype=np.bool_)))
        distance = np.asarray(found).reshape(shape)
    return np.asarray(distance, dtype=np.float64)
