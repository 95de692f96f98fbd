"""Losses of one-shot image translation without a discriminator (Cohen & Wolf, ICCV 2019: BiOST)."""

from __future__ import annotations

from typing import Literal

from torch import Tensor
from torch.nn.functional import l1_loss, mse_loss

__all__ = ["LatentDistance", "latent_cycle", "latent_energy", "reconstruction"]

LatentDistance = Literal["squared", "absolute"]


def reconstruction(rebuilt: Tensor, images: Tensor) -> Tensor:
    """Mean absolute difference of an image and what came back of it.

    Args:
        rebuilt: (n, ...).
        images: of the same shape.

    Returns:
        Scalar >= 0.
    """
    return l1_loss(rebuilt, images)


def latent_energy(latent: Tensor) -> Tensor:
    """Mean square of a latent map: the divergence from N(0, I) of a code of unit variance.

    Up to a factor of 1/2 and a constant; the release takes it from MUNIT. It keeps the latent space
    from spreading, which is all that makes the networks of two domains speak of the same space.

    Args:
        latent: of any shape.

    Returns:
        Scalar >= 0.
    """
    return latent.square().mean()


def latent_cycle(returned: Tensor, latent: Tensor, kind: LatentDistance = "squared") -> Tensor:
    """Distance of a latent from what it becomes after a trip through the other domain.

    Args:
        returned: E_A(D_A(z)).
        latent: z = E_B(s); a constant to the gradient, so that A follows B and never the reverse.
        kind: mean ``squared`` difference (the release) or mean ``absolute`` one (the article).

    Returns:
        Scalar >= 0.
    """
    fixed = latent.detach()
    return mse_loss(returned, fixed) if kind == "squared" else l1_loss(returned, fixed)
