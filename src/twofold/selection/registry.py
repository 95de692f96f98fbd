"""The table of selectors: one line each.

A selector is a function ``(embeddings, *, n_clusters, random_state) -> Selection``.
"""

from __future__ import annotations

from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from twofold.registry import Registry
from twofold.selection.base import Selection

__all__ = ["SELECTORS", "Selector"]


class Selector(Protocol):
    """Splits (n, d) embeddings into a dominant cluster and the rest."""

    def __call__(
        self, embeddings: NDArray[np.floating], *, n_clusters: int, random_state: int
    ) -> Selection:
        """Select; see :func:`twofold.selection.kmeans.select_kmeans` for the arguments."""
        ...  # pragma: no cover


WITHOUT_K = frozenset({"meanshift", "trimmed"})
"""Those that find the number of clusters themselves: ``n_clusters`` has no effect."""

SELECTORS: Registry[Selector] = Registry(
    "selector",
    {
        "kmeans": "twofold.selection.kmeans:select_kmeans",
        "gmm": "twofold.selection.gmm:select_gmm",
        "meanshift": "twofold.selection.meanshift:select_meanshift",
        "trimmed": "twofold.selection.trimmed:select_trimmed",
    },
)
