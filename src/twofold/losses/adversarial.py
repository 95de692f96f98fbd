"""Losses of a discriminator and of those that try to fool it (Goodfellow et al. 2014)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, mse_loss

__all__ = ["GanLoss", "gan_loss"]

GanLoss = Literal["bce", "lsgan"]


def gan_loss(logits: Tensor, real: bool, kind: GanLoss = "bce") -> Tensor:
    """How far a discriminator's answer is from "real" or from "generated".

    The discriminator minimises it with the truth, the generator with the opposite of the truth:
    the non-saturating form of ``E log D(x) + E log(1 - D(G(z)))``, whose gradient does not vanish
    while the discriminator is winning.

    Args:
        logits: of any shape; ``sigmoid(logits)`` is the probability of "real".
        real: the answer wanted.
        kind: ``bce`` is cross-entropy; ``lsgan`` the squared distance of the logit itself from 1 or
            0 (Mao et al. 2017).

    Returns:
        Scalar >= 0, the mean.
    """
    wanted = torch.full_like(logits, float(real))
    if kind == "lsgan":
        return mse_loss(logits, wanted)
    return binary_cross_entropy_with_logits(logits, wanted)
