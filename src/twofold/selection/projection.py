"""PCA before the density-based selectors, whose estimates need far more images than dimensions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import PCA

__all__ = ["project"]

# At most 32 dimensions, and at least five images for each.
_MOST, _IMAGES_PER_DIMENSION = 32, 5
# Relative to the rows' length: what copies differ by is rounding, and must not be clustered.
_ROUNDING = 1e-9


def project(embeddings: NDArray[np.floating]) -> NDArray[np.float64]:
    """The leading principal components, float64 (n, min(32, n / 5, d)), at least one.

    Args:
        embeddings: (n, d) finite, n and d >= 1.

    Returns:
        The centred components, zeros for a single image and where all are copies of one. Cost
        O(n d min(n, d)). Nothing is random.
    """
    rows = np.asarray(embeddings, dtype=np.float64)
    n, d = rows.shape
    k = max(1, min(_MOST, n // _IMAGES_PER_DIMENSION, d))
    if n < 2:
        return np.zeros((n, k))
    # Copies of one image have no spread: the share of variance each component explains, not used
    # here, is then 0 / 0.
    with np.errstate(invalid="ignore"):
        found = np.asarray(PCA(k, svd_solver="full").fit_transform(rows), dtype=np.float64)
    spread, length = (float(np.linalg.norm(part)) for part in (found, rows))
    return np.zeros_like(found) if spread <= _ROUNDING * length else found
