"""What every selector returns, and how the dominant cluster is read off cluster labels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError

__all__ = ["Selection", "dominant_selection"]


@dataclass(frozen=True)
class Selection:
    """A partition of the target pool.

    Attributes:
        labels: int64 (n,), the cluster of each image.
        dominant: bool (n,), True for the images of the largest cluster (eq. 6).
        chosen: K, the number of clusters asked for, where a rule chose it; 1 is one mode with its
            stragglers. None where K was given, or where there is none.
    """

    labels: NDArray[np.int64]
    dominant: NDArray[np.bool_]
    chosen: int | None = None

    @property
    def share(self) -> float:
        """Fraction of the pool inside the dominant cluster, in (0, 1]."""
        return float(self.dominant.mean())

    @property
    def n_clusters(self) -> int:
        """Number of non-empty clusters."""
        return len(np.unique(self.labels))


def dominant_selection(labels: NDArray[np.integer]) -> Selection:
    """Take the largest cluster of a labelling (eq. 6 and 7); ties go to the lowest label.

    Args:
        labels: integer (n,), each >= 0.

    Raises:
        NotEnoughImagesError: no label.
    """
    clusters: NDArray[np.int64] = np.asarray(labels, dtype=np.int64)
    if not len(clusters):
        raise NotEnoughImagesError("a dominant cluster needs at least 1 target image, got 0")
    largest = int(np.argmax(np.bincount(clusters)))
    return Selection(labels=clusters, dominant=clusters == largest)
