"""The paper's training objective (eq. 10)."""

from __future__ import annotations

from torch import Tensor

from twofold.losses.contrastive import contrastive_alignment
from twofold.losses.svdd import svdd_loss

__all__ = ["adaptation_objective"]


def adaptation_objective(
    source: Tensor,
    dominant: Tensor,
    others: Tensor,
    center: Tensor,
    *,
    lambda_ad: float = 1.0,
    lambda_uda: float = 0.1,
    temperature: float = 0.1,
) -> Tensor:
    """``L = lambda_ad * L_AD + lambda_uda * L_UDA`` of eq. 10 on one batch.

    Args:
        source: (n, d) source-normal features.
        dominant: (p, d) target features inside the dominant cluster.
        others: (m, d) target features outside it.
        center: (d,) the one-class centre.
        lambda_ad: weight of compactness (eq. 5).
        lambda_uda: weight of alignment (eq. 8-9).
        temperature: tau of eq. 8.

    Returns:
        Scalar; may be negative.
    """
    alignment = contrastive_alignment(source, dominant, others, temperature=temperature)
    return lambda_ad * svdd_loss(source, center) + lambda_uda * alignment
