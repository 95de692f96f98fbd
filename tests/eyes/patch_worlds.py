"""Patch features with a known distribution at each place."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float32]


def draw(
    n: int, c: int = 6, g: int = 3, seed: int = 0, world: int = 0, mean: float = 2.0
) -> Floats:
    """(n, c, g, g): each place has its own mean and its own few directions of variation.

    Args:
        n: images.
        c: channels.
        g: side of the grid.
        seed: of the images.
        world: of means and directions.
        mean: how far the places' means lie apart.
    """
    rng, fixed = np.random.default_rng([seed, 1]), np.random.default_rng([world, 2])
    means = fixed.normal(0, mean, (c, g * g))
    mixing = fixed.normal(0, 1, (g * g, c, 2))
    factors = rng.normal(size=(n, g * g, 2))
    values = np.einsum("nps,pcs->ncp", factors, mixing) + rng.normal(0, 0.3, (n, c, g * g))
    return np.asarray((means + values).reshape(n, c, g, g), dtype=np.float32)
