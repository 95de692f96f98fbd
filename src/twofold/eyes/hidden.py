"""Places that some images, or all of them, do not show: what fits at places make of them."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import numpy as np
from numpy.typing import NDArray

from twofold.eyes.gaussians import MIN_IMAGES
from twofold.eyes.moments import Floats, Mask, PatchMoments
from twofold.eyes.places import FarPlaces, image_blocks

__all__ = ["all_shown", "filled", "judged_places", "lend_common"]


def all_shown(patches: NDArray[np.floating], looked_at: Mask | None) -> Mask:
    """``looked_at``, or True for each patch of (n, c, g, h) where it is None; bool (n, g * h)."""
    if looked_at is not None:
        return looked_at
    return np.ones((len(patches), patches.shape[2] * patches.shape[3]), dtype=np.bool_)


def judged_places(looked_at: Mask) -> Mask:
    """Places that a Gaussian can be fitted at, bool (p,): those that at least two images show.

    Args:
        looked_at: bool (n, p). Of a single image its own places are returned.
    """
    return np.asarray(looked_at.sum(axis=0) >= min(MIN_IMAGES, len(looked_at)))


def filled(places: Floats, looked_at: Mask) -> Floats:
    """Patches with those that are not looked at in the mean of their place.

    The mean is that of the images that show the place, or 0 where none does. Where every image
    leaves out the same places, and these are no part of a fit, nothing changes. Elsewhere a
    covariance shrinks by the share of the images that do not show the place.

    Args:
        places: (p, n, c).
        looked_at: bool (n, p).

    Returns:
        A new array, or what stands for one.
    """
    if isinstance(places, FarPlaces):
        return _filled_later(places, looked_at)
    found = places.copy()
    for place, shown in enumerate(looked_at.T):
        if not shown.all():
            known = places[place][shown]
            found[place][~shown] = known.mean(axis=0, dtype=np.float64) if len(known) else 0.0
    return found


def _filled_later(places: FarPlaces, looked_at: Mask) -> Floats:
    """The same where blocks of images are read when they are needed."""
    p, _, c = places.shape
    total = np.zeros((p, c))
    for block in image_blocks(cast(Floats, places)):
        shown = looked_at[block.rows].T
        total += np.where(shown[:, :, None], block.values, np.float32(0)).sum(
            axis=1, dtype=np.float64
        )
    means = (total / np.maximum(looked_at.sum(axis=0), 1)[:, None]).astype(np.float32)

    def fill(patches: Floats, rows: NDArray[np.intp]) -> Floats:
        return np.where(looked_at[rows].T[:, :, None], patches, means[:, None])

    return places.filled(fill)


def lend_common(moments: PatchMoments, looked_at: Mask) -> PatchMoments:
    """Moments in which places that fewer than two images show vary as the others do on average.

    Without that they would say that nothing ever varies there.

    Args:
        moments: of p places.
        looked_at: bool (n, p), of the images they are from.
    """
    known = looked_at.sum(axis=0) >= MIN_IMAGES
    if known.all() or not known.any():
        return moments
    covariance, fourth = moments.covariance.copy(), moments.fourth.copy()
    covariance[~known] = covariance[known].mean(axis=0)
    fourth[~known] = fourth[known].mean()
    return replace(moments, covariance=covariance, fourth=fourth)
