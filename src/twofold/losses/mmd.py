"""Maximum mean discrepancy between source and dominant target features (the paper's Table 6)."""

from __future__ import annotations

import torch
from torch import Tensor

from twofold.losses.contrastive import zero_in_graph

__all__ = ["mmd_alignment"]

# Bandwidths as multiples of the mean pairwise squared distance, as the Transfer-Learning-Library
# has them: five octaves around it, so that no scale has to be chosen.
_MULTIPLES = (0.125, 0.25, 0.5, 1.0, 2.0)


def mmd_alignment(source: Tensor, dominant: Tensor) -> Tensor:
    r"""Unbiased squared MMD (Gretton et al. 2012) with a sum of five Gaussian kernels.

    .. math:: E\,k(s, s') + E\,k(t, t') - 2\,E\,k(s, t), \quad
              k(u, v) = \sum_\alpha \exp(-\|u - v\|^2 / 2 \alpha m)

    with m the mean squared distance between distinct rows of both domains together. m is a
    constant to the gradient: otherwise spreading both domains apart would lower the loss.

    Args:
        source: (n, d) source features.
        dominant: (m, d) features of presumed target normals; n and m may differ.

    Returns:
        Scalar in [-10, 10]; slightly negative at times, since the within-domain terms leave out
        the diagonal. 0 where either domain has fewer than two rows. Half-precision inputs are
        computed in float32. Gradients flow into both. Cost O((n + m)^2 d) time, O((n + m)^2)
        memory.
    """
    n, m = len(source), len(dominant)
    if n < 2 or m < 2:
        return zero_in_graph(source, dominant)
    dtype = torch.promote_types(source.dtype, torch.float32)
    rows = torch.cat([source.to(dtype), dominant.to(dtype)])
    # Exact differences: the faster product form loses small distances to cancellation.
    squared = torch.cdist(rows, rows, compute_mode="donot_use_mm_for_euclid_dist").square()
    scale = squared.detach().sum() / ((n + m) * (n + m - 1))
    # Identical rows only: every kernel is 1, whatever the bandwidth.
    scale = torch.where(scale > 0, scale, torch.ones_like(scale))
    kernel = torch.stack([torch.exp(-squared / (2 * a * scale)) for a in _MULTIPLES]).sum(dim=0)
    within = _off_diagonal_mean(kernel[:n, :n]) + _off_diagonal_mean(kernel[n:, n:])
    return within - 2 * kernel[:n, n:].mean()


def _off_diagonal_mean(kernel: Tensor) -> Tensor:
    n = len(kernel)
    return (kernel.sum() - kernel.diagonal().sum()) / (n * (n - 1))
