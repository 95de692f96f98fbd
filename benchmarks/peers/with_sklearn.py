"""Outlier detectors of scikit-learn, with their defaults, on the pooled vectors."""

from __future__ import annotations

from sklearn.covariance import EllipticEnvelope
from sklearn.ensemble import IsolationForest
from sklearn.svm import OneClassSVM

from peers.cells import Images
from peers.embeddings import Embedder
from peers.systems import Score


def fit(model: str, fitted_on: str, images: Images, run: int) -> Score:
    """See :data:`peers.systems.Fit`."""
    embed = Embedder()
    detectors = {
        "elliptic_envelope": lambda: EllipticEnvelope(random_state=run),
        "one_class_svm": OneClassSVM,
        "isolation_forest": lambda: IsolationForest(random_state=run),
    }
    detector = detectors[model]().fit(embed(images.of(fitted_on)))
    return lambda paths: -detector.score_samples(embed(paths))
