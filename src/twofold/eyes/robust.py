"""Patch Gaussians on a contaminated pool: robust fit, the source's part, what a place explains."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from twofold.densities import central, halves, likeliest, n_central
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.eyes.gaussians import (
    MIN_IMAGES,
    PatchGaussians,
    fit_patch_gaussians,
)
from twofold.eyes.moments import Floats, Mask, PatchMoments, patch_moments
from twofold.eyes.places import image_blocks, medians

__all__ = [
    "SourceWeight",
    "choose_source_weight",
    "fit_trimmed_patches",
    "most_like_source",
    "place_weight",
]

# What the source may count for beside an equal number of target images.
_WEIGHTS = (0.0, 0.3, 1.0)


def fit_trimmed_patches(
    source: PatchMoments | None,
    places: Floats,
    *,
    trim: float,
    source_weight: float = 1.0,
    start: Mask | None = None,
    shared: bool = False,
    known: Mask | None = None,
    max_iterations: int = 4,
) -> tuple[PatchGaussians, Mask]:
    """Fit to the pool's most normal images: concentration steps as in FAST-MCD, on whole images.

    An anomalous image is anomalous in a few places, so most patches at each place are normal. All
    the same its other patches are left out with these: patches of one image are alike in light and
    position, and leaving out whole images needs no decision for each place.

    Args:
        source: moments of the source normals, or None.
        places: of the pool, (p, n, c).
        trim: share of the pool left out, in [0, 0.5].
        source_weight: see :func:`fit_patch_gaussians`.
        start: images kept at first, bool (n,).
        shared: one Gaussian for all places, as the source's moments must have it too.
        known: images that are known to be normal, bool (n,): all of them are kept.
        max_iterations: concentration steps at most, as in :func:`twofold.densities.fit_trimmed`; 0
            fits to the start. The kept set hardly moves after three; the bound guards against
            cycles.

    Returns:
        The fit and the kept images, bool (n,).
    """
    if not 0 <= trim <= 0.5:
        raise ConfigError(f"trim must lie in [0, 0.5], not {trim}")
    n = places.shape[1]
    count = n_central(n, trim)
    kept = np.ones(n, dtype=np.bool_)
    if start is not None and start.sum() >= MIN_IMAGES:
        kept = start.copy() if known is None else start | known
    for step in range(max_iterations + 1):
        moments = patch_moments(places, kept, shared=shared)
        model = fit_patch_gaussians(moments, source, source_weight=source_weight)
        if step == max_iterations or count == n == kept.sum():
            break
        nearest = central(model.scores_of_places(places), count, known)
        if np.array_equal(nearest, kept):
            break
        kept = nearest
    return model, kept


def most_like_source(
    source: PatchMoments, places: Floats, *, trim: float, known: Mask | None = None
) -> Mask:
    """The pool's images that vary as the source does, bool (n,): a start for a fit.

    The source's covariances around the pool's medians (one median of all places where the source
    has one covariance for them), which a minority of anomalies hardly moves.
    A flaw that many images of the pool have in common is no part of their spread.

    Args:
        source: moments of at least 2 images.
        places: of the pool, (p, n, c).
        trim: share of the pool that is not taken.
        known: images that are known to be normal, bool (n,): all of them are taken.

    Raises:
        NotEnoughImagesError: fewer than two source images, or an empty pool.
        CollapseError: no place of any source image differs from another image's.
    """
    if not places.shape[1]:
        raise NotEnoughImagesError("most_like_source needs at least 1 target image, got 0")
    center = medians(places).astype(np.float64)
    if len(source.mean) == 1:
        center = np.median(center, axis=0, keepdims=True)
    model = fit_patch_gaussians(replace(source, mean=center))
    count = n_central(places.shape[1], trim)
    return central(model.scores_of_places(places), count, known)


@dataclass(frozen=True)
class SourceWeight:
    """How much a source image counts beside a target image, and why.

    Attributes:
        value: the chosen weight of a source image, where a target image counts 1.
        log_likelihoods: weight -> mean held-out log-likelihood of a target patch.
    """

    value: float
    log_likelihoods: dict[float, float]


def choose_source_weight(
    source: PatchMoments | None,
    places: Floats,
    kept: Mask,
    *,
    random_state: int,
    shared: bool = False,
    weights: Sequence[float] = _WEIGHTS,
) -> SourceWeight:
    """The weight under which presumed normals that were held out are most likely.

    Where the source varies like the target it lends directions of normal variation; where it does
    not (other cells, other lighting) it widens the wrong ones, and the likelihood says so. Two
    halves, each scored by the other.

    Args:
        source: moments of the source normals.
        places: of the pool, (p, n, c).
        kept: presumed normals, bool (n,).
        random_state: of the halves.
        shared: see :func:`twofold.eyes.patch_moments`.
        weights: to choose from.
    """
    if source is None or kept.sum() < 2 * MIN_IMAGES:
        # Too few to hold any out: what little there is needs the source.
        return SourceWeight(0.0 if source is None else 1.0, {})
    found = dict.fromkeys(weights, 0.0)
    for inside, outside in halves(kept, np.random.default_rng(random_state)):
        moments = patch_moments(places, inside, shared=shared)
        models = {
            weight: fit_patch_gaussians(moments, source, source_weight=weight) for weight in weights
        }
        patches = places.shape[0] * int(outside.sum())
        for block in image_blocks(places, outside):
            for weight, model in models.items():
                distances = model.of_block(block)
                found[weight] -= 0.25 * float((distances + model.log_determinant).sum()) / patches
    return SourceWeight(likeliest(found), found)


def place_weight(moments: PatchMoments) -> tuple[float, float]:
    """How much the place of a patch says about it, and the weight local scores deserve for it.

    One Gaussian a place describes objects that are always seen alike (a part in its fixture, a
    solar cell); for animals anywhere in a picture it describes little. The share of the variance of
    all patches that lies between the places' means says which is the case: the correlation ratio
    (Fisher 1925), R^2 of the place, less what chance gives it (Kelley 1935).

    Args:
        moments: of presumed target normals.

    Returns:
        The share R^2 in [0, 1], and the weight: local and global scores weigh like the squares of
        the explained and the unexplained share, ``R^4 / (R^4 + (1 - R^2)^2)``. At one half both
        weigh the same; squares let the better of two clearly different views decide nearly alone.
    """
    n = moments.n
    if n < 2:
        return 0.0, 0.0
    within = float(np.trace(moments.covariance, axis1=1, axis2=2).mean()) * n / (n - 1)
    between = float(np.square(moments.mean - moments.mean.mean(axis=0)).sum(axis=1).mean())
    # The means of a few images differ by chance alone.
    between = max(between - within / n, 0.0)
    if within + between <= 0:
        return 0.0, 0.0
    share = between / (within + between)
    return share, share**2 / (share**2 + (1.0 - share) ** 2)
