"""Transferable semantic augmentation: cross-entropy over infinitely many shifted features."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from twofold.errors import ConfigError
from twofold.losses.contrastive import zero_in_graph

__all__ = [
    "augmented_cross_entropy",
    "class_covariances",
    "class_shifts",
    "mutual_information",
]


def augmented_cross_entropy(
    features: Tensor,
    labels: Tensor,
    weight: Tensor,
    bias: Tensor,
    *,
    shifts: Tensor,
    covariances: Tensor,
    strength: float,
) -> Tensor:
    r"""L_aug of TSA (Li et al. 2021): a bound on cross-entropy under random shifts of the features.

    A feature f of class y moves by a draw from N(lambda s_y, lambda C_y). By Jensen's inequality
    the expected cross-entropy of the linear classifier is at most that of

    .. math:: z_c = w_c^T f + b_c + \lambda (w_c - w_y)^T s_y
              + \tfrac{\lambda}{2} (w_c - w_y)^T C_y (w_c - w_y)

    Args:
        features: (n, d).
        labels: int64 (n,), classes below k.
        weight: (k, d) of the classifier.
        bias: (k,).
        shifts: (k, d), s: how the class means move from source to target. A constant.
        covariances: (k, d, d), C: of the target's classes. A constant.
        strength: lambda >= 0; 0 is plain cross-entropy.

    Returns:
        Scalar >= 0, in float32 at least; 0 for no rows. Gradients flow into features, weight and
        bias. Cost O(n k d + k^2 d^2).

    Raises:
        ConfigError: the strength is negative.
    """
    if not strength >= 0:
        raise ConfigError(f"the strength of augmentation must be at least 0, not {strength}")
    if not len(features):
        return zero_in_graph(features, weight)
    dtype = torch.promote_types(features.dtype, torch.float32)
    rows, weight, bias = features.to(dtype), weight.to(dtype), bias.to(dtype)
    logits = rows @ weight.T + bias
    # [y, c]: what a row of class y adds to its logit of class c; the same for all of its rows.
    apart = weight[None] - weight[:, None]
    moved = torch.einsum("ycd,yd->yc", apart, shifts.detach().to(dtype))
    spread = torch.einsum("ycd,yde,yce->yc", apart, covariances.detach().to(dtype), apart)
    return cross_entropy(logits + strength * (moved + spread / 2)[labels], labels)


def mutual_information(logits: Tensor) -> Tensor:
    """Of input and prediction: the mean prediction's entropy less the mean of their entropies.

    Large when predictions are sure and the classes evenly used; to be maximised.

    Args:
        logits: (n, k).

    Returns:
        Scalar in [0, ln k] to rounding, in float32 at least; 0 for no rows. Never NaN:
        probabilities of 0 are taken as logarithms.
    """
    if not len(logits):
        return zero_in_graph(logits, logits)
    logs = logits.to(torch.promote_types(logits.dtype, torch.float32)).log_softmax(dim=1)
    each = -(logs.exp() * logs).sum(dim=1)
    log_mean = torch.logsumexp(logs, dim=0) - torch.log(logs.new_tensor(float(len(logs))))
    return -(log_mean.exp() * log_mean).sum() - each.mean()


def class_shifts(
    source: Tensor, source_labels: Tensor, target: Tensor, target_labels: Tensor, classes: int
) -> Tensor:
    """How each class's mean moves from source to target.

    Args:
        source: (n, d).
        source_labels: int64 (n,).
        target: (m, d).
        target_labels: int64 (m,).
        classes: k.

    Returns:
        (k, d); a row of zeros for a class that either domain lacks.
    """
    shifts = source.new_zeros(classes, source.shape[1])
    for label in range(classes):
        of_source, of_target = source[source_labels == label], target[target_labels == label]
        if len(of_source) and len(of_target):
            shifts[label] = of_target.mean(dim=0) - of_source.mean(dim=0)
    return shifts


def class_covariances(
    rows: Tensor, labels: Tensor, classes: int, *, shrinkage: float = 0.0
) -> Tensor:
    """Covariance of each class, shrunk towards a multiple of the identity.

    ``(1 - rho) S + rho trace(S) / d I``: with a handful of rows S alone has hardly any rank.

    Args:
        rows: (n, d).
        labels: int64 (n,).
        classes: k.
        shrinkage: rho in [0, 1].

    Returns:
        (k, d, d); divided by the number of rows, zeros for a class without any.

    Raises:
        ConfigError: the shrinkage is not in [0, 1].
    """
    if not 0 <= shrinkage <= 1:
        raise ConfigError(f"the shrinkage must lie in [0, 1], not {shrinkage}")
    d = rows.shape[1]
    found = rows.new_zeros(classes, d, d)
    for label in range(classes):
        own = rows[labels == label]
        if not len(own):
            continue
        centred = own - own.mean(dim=0)
        covariance = centred.T @ centred / len(own)
        found[label] = (1 - shrinkage) * covariance
        found[label].diagonal().add_(shrinkage * covariance.diagonal().mean())
    return found
