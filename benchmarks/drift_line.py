"""A detector, and unseen images of its target to make streams of: what studies of drift share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from twofold import Detector
from twofold.benchmark.datasets.base import Domain

NORMALS, ANOMALIES = 300, 0.02


@dataclass(frozen=True)
class Line:
    """A detector and the images of its target that it has not seen, as paths."""

    detector: Detector
    normal: Sequence[str]
    anomalous: Sequence[str]

    @classmethod
    def fitted(cls, source: Domain, target: Domain, normal: str) -> Line:
        """Half of the target's normals are the pool, at most 300, with 2% anomalies."""
        rng = np.random.default_rng(0)
        labels = target.labels(normal)
        usual, odd = (rng.permutation(np.flatnonzero(labels == k)) for k in (0, 1))
        n_pool = min(NORMALS, len(usual) // 2)
        n_odd = max(1, round(ANOMALIES * n_pool))
        pool = [target.paths[row] for row in (*usual[:n_pool], *odd[:n_odd])]
        detector = Detector().fit(normals(source, normal), pool)
        detector.cached = False  # what streams are made of is looked at once
        rest = [[str(target.paths[r]) for r in rows] for rows in (usual[n_pool:], odd[n_odd:])]
        return cls(detector, *rest)


def normals(domain: Domain, normal: str) -> list[str]:
    """Paths of a domain's normal images."""
    return [str(domain.paths[row]) for row in np.flatnonzero(domain.labels(normal) == 0)]


def read_pixels(path: str) -> NDArray[np.uint8]:
    """An image on disk as RGB."""
    with Image.open(path) as picture:
        return np.asarray(picture.convert("RGB"))
