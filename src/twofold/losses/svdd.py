"""Deep SVDD compactness (eq. 5) and its anomaly score."""

from __future__ import annotations

from torch import Tensor

__all__ = ["one_class_center", "squared_distances", "svdd_loss"]


def one_class_center(features: Tensor) -> Tensor:
    """Centre of the normal class, the mean of the source features.

    Args:
        features: (n, d) floating point, n >= 1.

    Returns:
        (d,), detached: the centre is no parameter (Ruff et al. 2018, the trivial solution).
    """
    return features.detach().mean(dim=0)


def squared_distances(features: Tensor, center: Tensor) -> Tensor:
    """Squared Euclidean distance of each row to the centre, the test-time score of the paper.

    Args:
        features: (n, d).
        center: (d,).

    Returns:
        (n,), >= 0, larger = more anomalous.
    """
    return (features - center).square().sum(dim=1)


def svdd_loss(features: Tensor, center: Tensor) -> Tensor:
    """Mean squared distance of source normals to the centre: L_AD of eq. 5.

    It grows with the dimension d; ``lambda_ad`` of the methods absorbs that.

    Args:
        features: (n, d) source features, n >= 1.
        center: (d,).

    Returns:
        Scalar >= 0.
    """
    return squared_distances(features, center).mean()
