"""Gaussian-mixture selection of the dominant cluster (the paper's Table 7)."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.mixture import GaussianMixture

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.images.quiet import quiet
from twofold.selection.base import Selection, dominant_selection
from twofold.selection.projection import project

__all__ = ["select_gmm"]

# Variances are those of unit vectors' components; 1e-4 keeps a cluster of copies finite. Of far
# longer rows it would be lost to rounding, so it is at least this part of their mean square.
_REGULARISATION, _ROUNDING = 1e-4, 1e-9
# The likelihood has many local maxima; half of K-means' restarts, each being dearer.
_RESTARTS = 5


def select_gmm(
    embeddings: NDArray[np.floating],
    *,
    n_clusters: int,
    random_state: int,
    covariance: Literal["diag", "full"] = "diag",
) -> Selection:
    """Fit a Gaussian mixture after PCA; keep the component with most images, assigned hard.

    Args:
        embeddings: (n, d) finite; L2-normalise them first, since the least variance is absolute.
        n_clusters: K >= 1 components. Some may take no image, which makes fewer clusters.
        random_state: seed of the five K-means initialisations.
        covariance: "full" lets clusters be tilted, at many more parameters: (n / 5)^2 / 2 for
            each component of a pool below 160 images.

    Returns:
        The partition. Cost O(restarts * iterations * n * K * k) for k <= 32 components of the
        PCA, times k for "full", and the PCA's own.

    Raises:
        ConfigError: K < 1.
        NotEnoughImagesError: fewer images than components.
    """
    n = len(embeddings)
    if n_clusters < 1:
        raise ConfigError(f"n_clusters must be at least 1, not {n_clusters}")
    if n < n_clusters:
        raise NotEnoughImagesError(
            f"{n_clusters} clusters need at least {n_clusters} target images, got {n}"
        )
    if n_clusters == 1:
        # scikit-learn refuses a single image.
        return dominant_selection(np.zeros(n, dtype=np.int64))
    rows = project(embeddings)
    size = float(np.square(rows).sum(axis=1).mean())
    model = GaussianMixture(
        n_components=n_clusters,
        covariance_type=covariance,
        reg_covar=max(_REGULARISATION, _ROUNDING * size),
        n_init=_RESTARTS,
        random_state=random_state,
    )
    with quiet(ConvergenceWarning):  # fewer distinct images than components: some stay empty
        return dominant_selection(model.fit_predict(rows))
