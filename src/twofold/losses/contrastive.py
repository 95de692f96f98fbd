"""Contrastive alignment of the source with the dominant target cluster (eq. 8 and 9)."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn.functional import normalize

from twofold.errors import ConfigError

__all__ = ["check_temperature", "contrastive_alignment", "unit_rows", "zero_in_graph"]

# Rows shorter than this count as zero vectors, whose cosine with anything is 0.
_EPSILON = 1e-12


def contrastive_alignment(
    source: Tensor,
    dominant: Tensor,
    others: Tensor,
    *,
    temperature: float = 0.1,
    alpha: float = 1.0,
    weights: Tensor | None = None,
    debias: float = 0.0,
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
        alpha: factor of the negatives' similarities, after Ge et al. 2021 (theirs is 2 or 3); 1 is
            eq. 8.
        weights: (m,) >= 0, constants that multiply the negatives' terms inside the sum; M is then
            their total. A weight of 0 leaves the negative out. None: all 1.
        debias: estimated share of normals among the negatives, in [0, 1). Above 0 their part of
            the sum is estimated from the positives and taken away (Chuang et al. 2020), see
            :func:`_debiased`.

    Returns:
        Scalar. Half-precision inputs are computed in float32. Gradients flow into all features.
        Cost O((n + p) d + n m d), no n x p matrix is made; with debias O(n (p + m) d), and one is.

    Raises:
        ConfigError: the temperature is not positive, the share not in [0, 1), or the weights do
            not fit the negatives.
    """
    check_temperature(temperature)
    if not 0 <= debias < 1:
        raise ConfigError(f"debias must be at least 0 and below 1, not {debias}")
    if weights is not None:
        others, weights = _weighted(others, weights)
    if source.shape[0] == 0 or dominant.shape[0] == 0:
        return zero_in_graph(source, dominant)
    anchors, positives = unit_rows(source), unit_rows(dominant)
    attraction = -(anchors.mean(dim=0) @ positives.mean(dim=0)) / temperature
    if others.shape[0] == 0:
        return attraction
    logits = alpha * (anchors @ unit_rows(others).T) / temperature
    if weights is not None:
        logits = logits + weights.to(logits.dtype).log()
    repulsion = torch.logsumexp(logits, dim=1)
    if debias > 0:
        total = float(len(others) if weights is None else weights.sum())
        # Normals among the negatives have their similarities scaled as all negatives.
        likely = alpha * (anchors @ positives.T) / temperature
        log_positives = torch.logsumexp(likely, dim=1) - math.log(len(dominant))
        repulsion = _debiased(repulsion, log_positives, total, temperature / alpha, debias)
    return attraction + repulsion.mean()


def _weighted(others: Tensor, weights: Tensor) -> tuple[Tensor, Tensor]:
    """The negatives whose weight is positive, and these weights, detached.

    Raises:
        ConfigError: not one weight for each row, or one that is negative, infinite or NaN.
    """
    weights = weights.detach()
    if weights.shape != others.shape[:1]:
        raise ConfigError(
            f"weights must have one value for each of {len(others)} negatives, "
            f"not the shape {tuple(weights.shape)}"
        )
    if not bool(((weights >= 0) & torch.isfinite(weights)).all()):
        raise ConfigError("weights of the negatives must be finite and at least 0")
    # log 0 inside the sum would do for the value, but all weights 0 would make it -infinity.
    kept = weights > 0
    return others[kept], weights[kept]


def _debiased(
    log_negatives: Tensor, log_positives: Tensor, total: float, temperature: float, share: float
) -> Tensor:
    r"""Logarithm of the denominator of Chuang et al. 2020, "Debiased contrastive learning".

    .. math:: \log \max\left( \frac{\sum_n w_n e^{s_{in} / \tau}
              - \pi W \, \mathrm{mean}_j e^{s_{ij} / \tau}}{1 - \pi}, \; W e^{-1 / \tau} \right)

    The floor is the least a sum of weight W can be. Everything stays a logarithm: at a
    temperature of 1e-3 the terms themselves exceed float32, and the floor underflows in it.

    Args:
        log_negatives: (n,) logarithms of the sums over the negatives.
        log_positives: (n,) logarithms of the means over the positives.
        total: W > 0, the number of negatives or the total of their weights.
        temperature: tau.
        share: pi in (0, 1).
    """
    gap = log_positives + math.log(share * total) - log_negatives
    # A smaller gap is rounding, and its gradient would not be finite.
    above = gap < -torch.finfo(gap.dtype).eps
    # The inner choice keeps the gradient of the branch not taken finite too.
    safe = torch.where(above, gap, -torch.ones_like(gap))
    difference = log_negatives + torch.log(-torch.expm1(safe)) - math.log1p(-share)
    floor = math.log(total) - 1 / temperature
    return torch.where(above, difference, torch.full_like(log_negatives, floor)).clamp(min=floor)


def unit_rows(features: Tensor) -> Tensor:
    """L2-normalised rows, in float32 at least; rows of zeros stay zero."""
    return normalize(
        features.to(torch.promote_types(features.dtype, torch.float32)), dim=1, eps=_EPSILON
    )


def zero_in_graph(source: Tensor, dominant: Tensor) -> Tensor:
    """A zero that is part of the graph, so that backward() works on the usual sum of losses."""
    dtype = torch.promote_types(source.dtype, torch.float32)
    # Sums over no rows: 0 times a sum over rows would be NaN once that sum overflows.
    return source[:0].to(dtype).sum() + dominant[:0].to(dtype).sum()


def check_temperature(temperature: float) -> None:
    """Raise ConfigError unless the temperature is positive."""
    if not temperature > 0:
        raise ConfigError(f"temperature must be positive, not {temperature}")
