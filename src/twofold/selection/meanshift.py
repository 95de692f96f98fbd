"""Mean-shift selection of the dominant cluster: no number of clusters (the paper's Table 7)."""

from __future__ import annotations

import warnings

import numpy as np
from numpy.typing import NDArray
from sklearn.cluster import MeanShift, estimate_bandwidth

from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.selection.base import Selection, dominant_selection
from twofold.selection.projection import project

__all__ = ["select_meanshift"]

# A dominant cluster below this share of the pool is hardly "the normal images".
_LEAST_SHARE = 0.2
# Many copies make the estimate 0, which scikit-learn refuses; unit rows this close are the same.
_LEAST_BANDWIDTH = 1e-6


def select_meanshift(
    embeddings: NDArray[np.floating],
    *,
    n_clusters: int,
    random_state: int,
    quantile: float = 0.3,
) -> Selection:
    """Mean-shift with a flat kernel after PCA; keep the cluster with most images.

    It may find one cluster, which leaves no negatives, or many small ones; a UserWarning of one
    line says so, since no option fails for it.

    Args:
        embeddings: (n, d) finite; L2-normalise them first for angular clustering.
        n_clusters: not used beyond its check; the bandwidth decides.
        random_state: not used; nothing is random.
        quantile: share of the pool whose distance to an image sets the bandwidth, in (0, 1].
            scikit-learn's default; smaller makes more clusters.

    Returns:
        The partition. Cost O(iterations * n^2 * k) for k <= 32 components of the PCA: seconds at
        a thousand images, minutes at several thousand.

    Raises:
        ConfigError: n_clusters < 1, as with every selector, or a quantile outside (0, 1].
        NotEnoughImagesError: no image.
    """
    del random_state
    if n_clusters < 1:
        raise ConfigError(f"n_clusters must be at least 1, not {n_clusters}")
    if not 0 < quantile <= 1:
        raise ConfigError(f"quantile must be above 0 and at most 1, not {quantile}")
    if not len(embeddings):
        raise NotEnoughImagesError("meanshift needs at least 1 target image, got 0")
    selection = dominant_selection(_labels(project(embeddings), quantile))
    _warn(selection)
    return selection


def _labels(rows: NDArray[np.float64], quantile: float) -> NDArray[np.int64]:
    bandwidth = max(_LEAST_BANDWIDTH, float(estimate_bandwidth(rows, quantile=quantile)))
    return np.asarray(MeanShift(bandwidth=bandwidth).fit_predict(rows), dtype=np.int64)


def _warn(selection: Selection) -> None:
    if selection.n_clusters == 1:
        problem = "made a single cluster, which leaves no negatives; lower its quantile"
    elif selection.share < _LEAST_SHARE:
        problem = f"kept only {selection.share:.0%} of the target pool; raise its quantile"
    else:
        return
    warnings.warn(f"meanshift {problem} or choose kmeans", UserWarning, stacklevel=3)
