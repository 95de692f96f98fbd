"""What a set of images contributes to a fit of patch Gaussians: moments of each place."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError, UsageError

__all__ = ["PatchMoments", "as_places", "patch_moments"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Mask = NDArray[np.bool_]


def as_places(patches: NDArray[np.floating]) -> Floats:
    """(n, c, g, g) -> contiguous float32 (g * g, n, c): the images of one place side by side."""
    n, c = patches.shape[:2]
    flat = np.asarray(patches, dtype=np.float32).reshape(n, c, math.prod(patches.shape[2:]))
    return np.ascontiguousarray(flat.transpose(2, 0, 1))


@dataclass(frozen=True)
class PatchMoments:
    """What a set of images contributes to a fit.

    Attributes:
        n: images.
        mean: float64 (p, c); p = 1 if all places share one.
        covariance: float64 (p, c, c), biased, around the own mean.
        fourth: float64 (p,), mean of the squared squared distance to the mean.
    """

    n: int
    mean: Array
    covariance: Array
    fourth: Array


def patch_moments(
    places: Floats, rows: Mask | None = None, *, shared: bool = False
) -> PatchMoments:
    """First, second and fourth moments of each place; O(n p c^2) time, O(p c^2) memory.

    Args:
        places: see :func:`as_places`, (p, n, c).
        rows: images that count, bool (n,); all by default.
        shared: one mean and covariance of the patches of all places, p = 1: for surfaces without
            fixed places, such as a texture.

    Raises:
        NotEnoughImagesError: no image counts.
        UsageError: patches so large that their squares leave the range of float32.
    """
    p, n, c = places.shape
    count = n if rows is None else int(rows.sum())
    if not count:
        raise NotEnoughImagesError("patch moments need at least 1 image, got 0")
    mean, covariance, fourth = np.empty((p, c)), np.empty((p, c, c)), np.empty(p)
    for place in range(p):
        values = places[place] if rows is None else places[place][rows]
        mean[place] = values.mean(axis=0, dtype=np.float64)
        centred = values - mean[place].astype(np.float32)
        with np.errstate(over="ignore", invalid="ignore"):
            covariance[place] = (centred.T @ centred) / np.float32(count)
        squares = np.einsum("nc,nc->n", centred, centred, dtype=np.float64)
        fourth[place] = np.square(squares).mean()
    if not np.isfinite(covariance).all():
        largest = float(np.abs(places).max())
        raise UsageError(f"patch features up to {largest:.0e} are too large: scale them down")
    moments = PatchMoments(count, mean, covariance, fourth)
    return _shared(moments) if shared else moments


def _shared(moments: PatchMoments) -> PatchMoments:
    """Moments of all places together.

    ``n`` stays the number of images: the patches of one are not independent.
    """
    mean = moments.mean.mean(axis=0, keepdims=True)
    apart = moments.mean - mean
    pooled = moments.covariance.mean(axis=0, keepdims=True) + apart.T @ apart / len(apart)
    # Of the fourth moment, what lies between places is small beside what lies within.
    return PatchMoments(moments.n, mean, pooled, moments.fourth.mean(keepdims=True))
