"""Whole images as `auto` sees them: one vector each, of all scales."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from twofold.densities import made_rows, power_normalise
from twofold.encoders.encode import EncodedImages
from twofold.methods.auto.config import AutoConfig

__all__ = ["scale_areas", "whole_vectors"]

Array = NDArray[np.float64]


def whole_vectors(images: EncodedImages, config: AutoConfig) -> Array:
    """Normalised whole-image vectors, averaged over the scales, float64 (n, d).

    A scale counts by its area, so that every place of the encoder's maps counts alike. Of many
    images they are made when they are asked for, see :func:`twofold.densities.made_rows`.
    """
    parts = [images.rows(name) for name in config.pooled()]
    areas = scale_areas(config)

    def make(rows: NDArray[np.intp]) -> Array:
        vectors = [power_normalise(part[rows]) for part in parts]
        return np.asarray(np.average(vectors, axis=0, weights=areas))

    return made_rows(make, len(images), parts[0].shape[1])


def scale_areas(config: AutoConfig) -> list[float]:
    """Area of the image at each scale, in units of the largest."""
    return [2.0**-step for step in range(config.scales)]
