"""Ways of looking at patches: densities at places, and a bank of patches without places.

Patch features are float32 (n, c, g, g): n images, c channels, a grid of g x g places.
"""

from twofold.eyes.bank import BankFit, FreeBank, fit_bank
from twofold.eyes.gaussians import (
    MIN_IMAGES,
    TOP_PLACES,
    PatchGaussians,
    fit_patch_gaussians,
    only_looked_at,
    top_mean,
)
from twofold.eyes.hidden import all_shown, filled, judged_places, lend_common
from twofold.eyes.moments import PatchMoments, PatchParts, patch_moments
from twofold.eyes.oddest import oddest_mean
from twofold.eyes.places import FarPlaces, as_places
from twofold.eyes.regions import RegionScale, Spot, find_spots, region_scale
from twofold.eyes.robust import (
    SourceWeight,
    choose_source_weight,
    fit_trimmed_patches,
    most_like_source,
    place_weight,
)

__all__ = [
    "MIN_IMAGES",
    "TOP_PLACES",
    "BankFit",
    "FarPlaces",
    "FreeBank",
    "PatchGaussians",
    "PatchMoments",
    "PatchParts",
    "RegionScale",
    "SourceWeight",
    "Spot",
    "all_shown",
    "as_places",
    "choose_source_weight",
    "filled",
    "find_spots",
    "fit_bank",
    "fit_patch_gaussians",
    "fit_trimmed_patches",
    "judged_places",
    "lend_common",
    "most_like_source",
    "oddest_mean",
    "only_looked_at",
    "patch_moments",
    "place_weight",
    "region_scale",
    "top_mean",
]
