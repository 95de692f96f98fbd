"""Detectors of PyOD, with their defaults, on the pooled vectors of twofold's encoder."""

from __future__ import annotations

from pyod.models.copod import COPOD
from pyod.models.ecod import ECOD
from pyod.models.knn import KNN

from peers.cells import Images
from peers.embeddings import Embedder
from peers.systems import Score


def fit(model: str, fitted_on: str, images: Images, run: int) -> Score:
    """See :data:`peers.systems.Fit`."""
    del run  # none of them draws
    embed = Embedder()
    detector = {"ecod": ECOD, "copod": COPOD, "knn": KNN}[model]()
    detector.fit(embed(images.of(fitted_on)))
    return lambda paths: detector.decision_function(embed(paths))
