"""InfoNCE alignment: equation 8 with the positive in its denominator."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import logsigmoid

from twofold.losses.contrastive import check_temperature, unit_rows, zero_in_graph

__all__ = ["infonce_alignment"]


def infonce_alignment(
    source: Tensor, dominant: Tensor, others: Tensor, *, temperature: float = 0.1
) -> Tensor:
    r"""Mean over all (source, dominant) pairs of InfoNCE (van den Oord et al. 2018).

    .. math:: l_{ij} = -\log \frac{\exp(s_{ij} / \tau)}
              {\exp(s_{ij} / \tau) + \sum_p \exp(s_{ip} / \tau)}

    with s the cosines. It differs from eq. 8
    (:func:`twofold.losses.contrastive.contrastive_alignment`) in the positive's presence in the
    denominator alone. The value is therefore >= 0, and the gradient of a pair saturates: a pair
    whose positive already beats all negatives neither pulls nor pushes, where eq. 8 goes on
    pulling with 1 / tau.

    Args:
        source: (n, d) source-normal features.
        dominant: (p, d) features of target samples inside the dominant cluster (the positives).
        others: (m, d) features of target samples outside it (the negatives).
        temperature: tau > 0.

    Returns:
        Scalar >= 0. 0 without source rows or positives (nothing to align), and 0 without
        negatives too, because the ratio is then 1 whatever the features. Half-precision inputs
        are computed in float32. Gradients flow into all arguments. Cost O(n (p + m) d), with an
        n x p matrix.

    Raises:
        ConfigError: the temperature is not positive.
    """
    check_temperature(temperature)
    if not len(source) or not len(dominant) or not len(others):
        return zero_in_graph(source, dominant)
    anchors = unit_rows(source)
    positives = anchors @ unit_rows(dominant).T / temperature
    negatives = torch.logsumexp(anchors @ unit_rows(others).T / temperature, dim=1, keepdim=True)
    # The ratio is a sigmoid, whose logarithm neither overflows nor cancels.
    return -logsigmoid(positives - negatives).mean()
