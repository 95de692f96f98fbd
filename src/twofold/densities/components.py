"""The leading principal components of a set of images."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred

if TYPE_CHECKING:
    from sklearn import decomposition
else:
    decomposition = deferred("sklearn.decomposition")

__all__ = ["leading_components"]

Array = NDArray[np.float64]

# At most 32 dimensions, and at least five images for each, as the density-based selectors have it.
_MOST_COMPONENTS, _IMAGES_PER_COMPONENT = 32, 5


def leading_components(features: NDArray[np.floating], *, random_state: int) -> Array:
    """The leading principal components by a randomised SVD (Halko et al. 2011).

    Args:
        features: (n, d) finite, d >= 1.
        random_state: seed of the random projection.

    Returns:
        float64 (n, k) centred, variances descending, with k at most min(32, n / 5, d) and at least
        1. Components without variance are left out; rows that are all the same, or fewer than
        two, give zeros (n, 1).
        Cost O(n d k): a sixth of a second at 2000 x 1280, where the exact one takes a whole one.
    """
    rows = np.asarray(features, dtype=np.float64)
    n, d = rows.shape
    if n < 2:
        return np.zeros((n, 1))
    k = max(1, min(_MOST_COMPONENTS, n // _IMAGES_PER_COMPONENT, d))
    # Copies of one image have no spread; the share explained, not used here, is then 0 / 0.
    with np.errstate(invalid="ignore", divide="ignore"):
        model = decomposition.PCA(k, svd_solver="randomized", random_state=random_state)
        components: Array = model.fit_transform(rows)
    spread = components.std(axis=0)
    # Relative to the rows' length too: rounding alone leaves about 1e-16 of it.
    length = np.sqrt(np.square(rows).sum(axis=1).mean())
    kept = spread > 1e-9 * max(float(spread.max()), float(length), 1e-300)
    return components[:, kept] if kept.any() else np.zeros((n, 1))
