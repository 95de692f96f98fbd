"""Densities on embeddings: a shrunk Gaussian, its robust fit, and the rows behind them."""

from twofold.densities.components import leading_components
from twofold.densities.gaussian import (
    MIN_ROWS,
    Gaussian,
    Shrinkage,
    fit_adapted_gaussian,
    fit_gaussian,
    shrinkage_intensity,
)
from twofold.densities.held_out import Splits, halves, likeliest
from twofold.densities.modes import (
    TWO_MODES,
    Multimodality,
    lesser_mode,
    multimodality,
    thinned,
)
from twofold.densities.robust import central, concentrate, fit_trimmed, majority, n_central
from twofold.densities.rows import FEW, in_blocks, power_normalise, same_in_few, unit_rows
from twofold.densities.scale import Scale, lower_spread, scale_of

__all__ = [
    "FEW",
    "MIN_ROWS",
    "TWO_MODES",
    "Gaussian",
    "Multimodality",
    "Scale",
    "Shrinkage",
    "Splits",
    "central",
    "concentrate",
    "fit_adapted_gaussian",
    "fit_gaussian",
    "fit_trimmed",
    "halves",
    "in_blocks",
    "leading_components",
    "lesser_mode",
    "likeliest",
    "lower_spread",
    "majority",
    "multimodality",
    "n_central",
    "power_normalise",
    "same_in_few",
    "scale_of",
    "shrinkage_intensity",
    "thinned",
    "unit_rows",
]
