"""How odd an image's oddest patches are, without the exact distances of all the others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.densities import FEW
from twofold.eyes.gaussians import TOP_PLACES, PatchGaussians, top_mean
from twofold.eyes.moments import Floats, Mask
from twofold.eyes.places import by_place

__all__ = ["oddest_mean"]

Array = NDArray[np.float64]

# Half the distance from 1 to the next float32: the most by which one operation rounds, relatively.
_ROUNDING = 2.0**-24


def oddest_mean(
    model: PatchGaussians,
    patches: NDArray[np.floating],
    places: int = TOP_PLACES,
    looked_at: Mask | None = None,
) -> Array:
    """``top_mean(model.squared_distances(patches, looked_at), places, looked_at)`` to the bit.

    Each place has a matrix of its own, and one image goes through all of them once: reading them
    takes longer than multiplying. So few images are first judged in float32, which is how a model
    keeps the matrices, with bounds on the error; and exactly only where a patch may be one of the
    oddest, which is at some few places.

    Args:
        model: one Gaussian a place.
        patches: (n, c, g, g).
        places: how many of an image count, >= 1.
        looked_at: bool (n, g * g), patches that count.
    """
    n, c = patches.shape[:2]
    if not 0 < n <= FEW or looked_at is not None or len(model.mean) <= places:
        return top_mean(model.squared_distances(patches, looked_at), places, looked_at)
    patches = patches[:]  # of rows on disk, few enough to be read
    may = _may_be_largest(model, by_place(patches), places)
    found = np.zeros((n, len(may)))
    # As images of one column.
    chosen = patches.reshape(n, c, -1)[:, :, may, None]
    found[:, may] = model.only(may).squared_distances(chosen)
    return top_mean(found, places)


def _may_be_largest(model: PatchGaussians, patches: Floats, count: int) -> Mask:
    """Places at which a patch of some image may be one of its ``count`` oddest, bool (p,).

    A sum of c products is off by at most about c roundings of the sum of their sizes, in any order
    (Higham 2002, "Accuracy and stability of numerical algorithms", section 3.1), which is at most a
    row's length times the patch's.

    Args:
        model: of p places.
        patches: float32 (p, n, c).
        count: >= 1, < p.
    """
    centred = patches - model.mean[:, None]
    with np.errstate(over="ignore", invalid="ignore"):
        white = np.matmul(model.whitening, centred.transpose(0, 2, 1)).astype(np.float64)
        # Two more for what is subtracted and for products of roundings, one for float64.
        share = (patches.shape[2] + 3) * _ROUNDING
        lengths = np.linalg.norm(centred.astype(np.float64), axis=2)
        error = share * model.sizes[:, None] * lengths + np.finfo(np.float32).tiny
        near = np.linalg.norm(white, axis=1)
        if not np.isfinite(near).all():  # beyond float32, which then tells nothing
            return np.ones(len(near), dtype=np.bool_)
        least = np.partition(near - error, -count, axis=0)[-count]
    return np.asarray((near + error >= least).any(axis=1))
