"""How much two sets of latent vectors point the same way (IRAD's l_dis and l_sim)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

__all__ = ["latent_overlap", "mean_distance"]


def latent_overlap(one: Tensor, other: Tensor) -> Tensor:
    r"""Frobenius norm of the matrix of cosines, :math:`\sqrt{\sum_{ij} \cos^2(u_i, v_j)}`.

    IRAD (arXiv 2006.03689) writes :math:`\|E_{sh}(x)^T E_{pv}(x)\|`; that rows are L2-normalised
    first is its code's. Minimised between shared and private latents of the same images (l_dis),
    maximised between the shared latents of both domains (l_sim).

    Args:
        one: (n, d).
        other: (m, d).

    Returns:
        Scalar in [0, sqrt(n m)]. A zero row has cosine 0. Gradients flow into both. Cost O(n m d).
    """
    cosines = normalize(one, dim=1) @ normalize(other, dim=1).T
    norm: Tensor = torch.linalg.vector_norm(cosines)
    return norm


def mean_distance(images: Tensor, rebuilt: Tensor) -> Tensor:
    """Mean over images of the Euclidean distance (not squared) between image and reconstruction.

    Args:
        images: (n, ...).
        rebuilt: of the same shape.

    Returns:
        Scalar >= 0.
    """
    distances: Tensor = torch.linalg.vector_norm((images - rebuilt).flatten(1), dim=1)
    return distances.mean()
