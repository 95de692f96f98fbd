"""Contrastive alignment of the source with the dominant target cluster (eq. 8 and 9)."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.functional import normalize

from twofold.errors import ConfigError

__all__ = ["contrastive_alignment"]

# Rows shorter than this count as zero vectors, whose cosine with anything is 0.
_EPSILON = 1e-12


def contrastive_alignment(
    source: Tensor, dominant: Tensor, others: Tensor, *, temperature: float = 0.1
) -> Tensor:
    r"""Mean over all (source, dominant) pairs of eq. 8: L_UDA of eq. 9 in its cheap exact form.

    With ``S, P, N`` the L2-normalised rows of the three arguments,

    .. math:: L = -\langle \bar S, \bar P \rangle / \tau
              + \mathrm{mean}_i \, \mathrm{logsumexp}_p (S_i \cdot N_p / \tau),

    which equals the double loop over pairs to rounding, because the denominator of eq. 8 does not
    depend on the positive. This is *not* InfoNCE: the positive is absent from the denominator, so
    the value may be negative and lies in ``log M +- 2 / temperature`` for M negatives.

    Empty batches are defined, never NaN: without positives (or source rows) there is nothing to
    align and the loss is 0; without negatives only the attraction remains.

    Args:
        source: (n, d) source-normal features.
        dominant: (p, d) features of target samples inside the dominant cluster (the positives).
        others: (m, d) features of target samples outside it (the negatives).
        temperature: tau > 0. 1/tau is both the sharpness of the push on the hardest negatives and
            the weight of the pull.

    Returns:
        Scalar. Half-precision inputs are computed in float32. Gradients flow into all arguments.
        Cost O((n + p) d + n m d); no n x p matrix is made.

    Raises:
        ConfigError: the temperature is not positive.
    """
    if not temperature > 0:
        raise ConfigError(f"temperature must be positive, not {temperature}")
    dtype = torch.promote_types(source.dtype, torch.float32)
    if source.shape[0] == 0 or dominant.shape[0] == 0:
        # A zero that is part of the graph, so that backward() works on the usual sum of losses.
        # Sums over no rows: 0 times a sum over rows would be NaN once that sum overflows.
        return source[:0].to(dtype).sum() + dominant[:0].to(dtype).sum()
    anchors = normalize(source.to(dtype), dim=1, eps=_EPSILON)
    positives = normalize(dominant.to(dtype), dim=1, eps=_EPSILON)
    attraction = -(anchors.mean(dim=0) @ positives.mean(dim=0)) / temperature
    if others.shape[0] == 0:
        return attraction
    negatives = normalize(others.to(dtype), dim=1, eps=_EPSILON)
    repulsion = torch.logsumexp(anchors @ negatives.T / temperature, dim=1).mean()
    return attraction + repulsion
