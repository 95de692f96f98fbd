"""Densities on embeddings: a shrunk Gaussian, its robust fit, and the rows behind them."""

from twofold.densities.components import leading_components
from twofold.densities.gaussian import (
    MIN_ROWS,
    Gaussian,
    fit_adapted_gaussian,
    fit_gaussian,
    gaussian_of,
)
from twofold.densities.held_out import Splits, halves, likeliest
from twofold.densities.modes import (
    TWO_MODES,
    Multimodality,
    lesser_mode,
    multimodality,
    thinned,
)
from twofold.densities.moments import Moments, merged
from twofold.densities.robust import central, concentrate, fit_trimmed, majority, n_central
from twofold.densities.rows import (
    FEW,
    FarRows,
    blocks,
    evenly,
    in_blocks,
    made_rows,
    mean_of,
    normalised,
    power_normalise,
    same_in_few,
    some,
    unit_rows,
)
from twofold.densities.scale import Scale, lower_spread, scale_of
from twofold.densities.shrinkage import Shrinkage, shrinkage_intensity

__all__ = [
    "FEW",
    "MIN_ROWS",
    "TWO_MODES",
    "FarRows",
    "Gaussian",
    "Moments",
    "Multimodality",
    "Scale",
    "Shrinkage",
    "Splits",
    "blocks",
    "central",
    "concentrate",
    "evenly",
    "fit_adapted_gaussian",
    "fit_gaussian",
    "fit_trimmed",
    "gaussian_of",
    "halves",
    "in_blocks",
    "leading_components",
    "lesser_mode",
    "likeliest",
    "lower_spread",
    "made_rows",
    "majority",
    "mean_of",
    "merged",
    "multimodality",
    "n_central",
    "normalised",
    "power_normalise",
    "same_in_few",
    "scale_of",
    "shrinkage_intensity",
    "some",
    "thinned",
    "unit_rows",
]
