"""K-means selection of the dominant cluster, the paper's choice (eq. 6)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from twofold.deferred import deferred
from twofold.errors import ConfigError, NotEnoughImagesError
from twofold.images.quiet import quiet
from twofold.selection.base import Selection, dominant_selection

if TYPE_CHECKING:
    from sklearn import cluster, exceptions
else:
    cluster = deferred("sklearn.cluster")
    exceptions = deferred("sklearn.exceptions")

__all__ = ["select_kmeans"]

# Explicit, since scikit-learn's "auto" makes a single k-means++ start.
_RESTARTS = 10


def select_kmeans(
    embeddings: NDArray[np.floating], *, n_clusters: int, random_state: int
) -> Selection:
    """Cluster with K-means and keep the largest cluster.

    Args:
        embeddings: (n, d) finite; L2-normalise them first for angular clustering.
        n_clusters: K >= 1. The paper uses 2, and 10 on VisDA-2017. Where fewer than K rows are
            distinct, that many clusters are made.
        random_state: seed of the ten k-means++ starts.

    Returns:
        The partition. Cost O(restarts * iterations * n * K * d).

    Raises:
        ConfigError: K < 1.
        NotEnoughImagesError: fewer images than clusters.
    """
    if n_clusters < 1:
        raise ConfigError(f"n_clusters must be at least 1, not {n_clusters}")
    n = len(embeddings)
    if n < n_clusters:
        raise NotEnoughImagesError(
            f"{n_clusters} clusters need at least {n_clusters} target images, got {n}"
        )
    model = cluster.KMeans(n_clusters=n_clusters, n_init=_RESTARTS, random_state=random_state)
    # Fewer distinct rows than K give fewer clusters, as documented.
    with quiet(exceptions.ConvergenceWarning):
        labels = model.fit_predict(embeddings)
    return dominant_selection(labels)
