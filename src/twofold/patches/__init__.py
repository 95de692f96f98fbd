"""Densities of patch features.

Patch features are float32 (n, c, g, g): n images, c channels, a grid of g x g places.
"""

from twofold.patches.gaussians import (
    MIN_IMAGES,
    TOP_PLACES,
    PatchGaussians,
    fit_patch_gaussians,
    top_mean,
)
from twofold.patches.moments import PatchMoments, PatchSums, as_places, patch_moments
from twofold.patches.robust import (
    SourceWeight,
    choose_source_weight,
    fit_trimmed_patches,
    most_like_source,
    place_weight,
)

__all__ = [
    "MIN_IMAGES",
    "TOP_PLACES",
    "PatchGaussians",
    "PatchMoments",
    "PatchSums",
    "SourceWeight",
    "as_places",
    "choose_source_weight",
    "fit_patch_gaussians",
    "fit_trimmed_patches",
    "most_like_source",
    "patch_moments",
    "place_weight",
    "top_mean",
]
