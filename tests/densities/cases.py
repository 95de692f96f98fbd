"""Rows to fit to."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

Array = NDArray[np.float64]

each_shrinkage = pytest.mark.parametrize("kind", ["ledoit_wolf", "oas"])


def normal(n: int, d: int, *, seed: int = 0, shift: float = 0.0) -> Array:
    """Correlated rows with unequal variances."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).normal(size=(d, d)) * np.linspace(0.2, 2.0, d)
    return np.asarray(generator.normal(size=(n, d)) @ mixing + shift)
