"""The losses of MsRA: compact domains with one centre, and heads that agree on "normal"."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.linalg import vector_norm
from torch.nn.functional import binary_cross_entropy_with_logits, nll_loss

from twofold.losses.contrastive import zero_in_graph

__all__ = ["domain_nll", "normality_loss", "two_domain_compactness"]


def two_domain_compactness(source: Tensor, target: Tensor) -> Tensor:
    r"""L_svdd + L_center of MsRA: mean distances to each domain's own mean, and between the means.

    .. math:: \frac1n \sum_i \|s_i - c_s\|_2 + \frac1m \sum_j \|t_j - c_t\|_2 + \|c_s - c_t\|_2

    Distances are not squared, and the batch means c keep their gradient. The gradient of a
    distance of 0 is 0.

    Args:
        source: (n, d).
        target: (m, d); n and m may differ.

    Returns:
        Scalar >= 0, in float32 at least; 0 where either domain is empty. Cost O((n + m) d).
    """
    if not len(source) or not len(target):
        return zero_in_graph(source, target)
    dtype = torch.promote_types(source.dtype, torch.float32)
    domains = source.to(dtype), target.to(dtype)
    means = [rows.mean(dim=0) for rows in domains]
    spreads = [
        vector_norm(rows - mean, dim=1).mean() for rows, mean in zip(domains, means, strict=True)
    ]
    compactness: Tensor = spreads[0] + spreads[1] + vector_norm(means[0] - means[1])
    return compactness


def normality_loss(outputs: Tensor, *, sigmoid_twice: bool = True) -> Tensor:
    """L_cls of MsRA: every image, of either domain, is of the class 0.

    Args:
        outputs: (n,) logits of the class head, before any sigmoid.
        sigmoid_twice: as released: the head ends in a sigmoid, and the cross-entropy takes what
            it gives for a logit. The loss then lies in (ln 2, ln(1 + e)).

    Returns:
        Scalar: the mean of -log(1 - p), or with ``sigmoid_twice`` of log(1 + e^p), p the sigmoid
        of the output. 0 for no rows.
    """
    if not len(outputs):
        return zero_in_graph(outputs, outputs)
    logits = outputs.to(torch.promote_types(outputs.dtype, torch.float32))
    logits = torch.sigmoid(logits) if sigmoid_twice else logits
    return binary_cross_entropy_with_logits(logits, torch.zeros_like(logits))


def domain_nll(source: Tensor, target: Tensor) -> Tensor:
    """L_dom of MsRA: the negative log-likelihood of 0 for the source plus that of 1 for the target.

    The adversarial part is the caller's: features pass :func:`twofold.losses.reverse` before the
    head, at strength :func:`twofold.losses.reversal_coefficient`.

    Args:
        source: (n, 2) log-probabilities.
        target: (m, 2) log-probabilities.

    Returns:
        Scalar >= 0; 2 ln 2 is chance. A sum of two means, where
        :func:`twofold.losses.adversarial_alignment` halves it. An empty domain adds 0.
    """
    total = zero_in_graph(source, target)
    for rows, domain in ((source, 0), (target, 1)):
        if len(rows):
            labels = torch.full((len(rows),), domain, device=rows.device)
            total = total + nll_loss(rows.to(total.dtype), labels)
    return total
