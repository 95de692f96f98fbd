"""How one normal class's target images are split into an unlabelled pool and a test set."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from twofold.errors import ConfigError, NotEnoughImagesError

__all__ = ["Split", "uda_inductive"]

Rows = NDArray[np.intp]


@dataclass(frozen=True)
class Split:
    """Disjoint row numbers of the target images.

    Attributes:
        pool: what a method may see, normals first; shuffled by nobody, labelled for nobody.
        pool_labels: int64, 1 = anomalous; for methods that declare labels, and for reporting.
        test: every other target image.
        test_labels: int64, 1 = anomalous.
    """

    pool: Rows
    pool_labels: NDArray[np.int64]
    test: Rows
    test_labels: NDArray[np.int64]


def uda_inductive(
    labels: NDArray[np.integer], *, anomaly_share: float = 0.1, random_state: int = 0
) -> Split:
    """Half of the target normals plus anomalies up to a share make the pool; the rest is the test.

    Anomalies are drawn uniformly until they make up ``anomaly_share`` of the pool, rounded up and
    at least one (none for a share of 0). Pool and test are disjoint by construction.

    Args:
        labels: int (n,), 1 = anomalous, of all target images.
        anomaly_share: in [0, 1), of the pool.
        random_state: of the draw.

    Raises:
        ConfigError: an impossible share, or labels other than 0 and 1.
        NotEnoughImagesError: too few normals or anomalies to leave a test set.
    """
    if not 0 <= anomaly_share < 1:
        raise ConfigError(f"anomaly_share must lie in [0, 1), not {anomaly_share}")
    if not np.isin(labels, (0, 1)).all():
        raise ConfigError("labels must be 0 (normal) or 1 (anomalous)")
    generator = np.random.default_rng(random_state)
    normals = generator.permutation(np.flatnonzero(labels == 0))
    anomalies = generator.permutation(np.flatnonzero(labels == 1))
    half = len(normals) // 2
    # 1e-9 absorbs the rounding of decimal shares.
    wanted = math.ceil(anomaly_share * half / (1.0 - anomaly_share) - 1e-9)
    if half < 1 or wanted >= len(anomalies):
        raise NotEnoughImagesError(
            f"a pool of {half} normals with {wanted} anomalies leaves no test set: "
            f"{len(normals)} normals and {len(anomalies)} anomalies are too few"
        )
    pool = np.concatenate([normals[:half], anomalies[:wanted]])
    test = np.concatenate([normals[half:], anomalies[wanted:]])
    return Split(
        pool=pool,
        pool_labels=np.asarray(labels, dtype=np.int64)[pool],
        test=test,
        test_labels=np.asarray(labels, dtype=np.int64)[test],
    )
