"""The losses of ILDR. Its article could not be read: the formulae are unverified."""

from __future__ import annotations

import torch
from torch import Tensor

__all__ = ["gaussian_kl", "ildr_loss", "smooth_auc"]


def smooth_auc(normal: Tensor, anomalous: Tensor) -> Tensor:
    r"""Mean over all pairs of :math:`\sigma(s_m^+ - s_n^-)`, a differentiable AUC.

    Args:
        normal: (n,) scores of normals, n >= 1.
        anomalous: (m,) scores of anomalies, m >= 1.

    Returns:
        Scalar in (0, 1); 1/2 when the scores say nothing. O(n m) time and memory.
    """
    return torch.sigmoid(anomalous[:, None] - normal[None, :]).mean()


def gaussian_kl(mean: Tensor, log_variance: Tensor) -> Tensor:
    r"""KL divergence of N(mean, diag exp(log_variance)) from the standard normal.

    .. math:: \frac12 \sum_k (\mu_k^2 + \sigma_k^2 - \log \sigma_k^2 - 1)

    Args:
        mean: (k,).
        log_variance: (k,).

    Returns:
        Scalar >= 0.
    """
    return 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).sum()


def ildr_loss(
    normal: Tensor,
    anomalous: Tensor | None,
    mean: Tensor,
    log_variance: Tensor,
    *,
    auc_weight: float = 1.0,
    kl_weight: float = 0.1,
) -> Tensor:
    r"""The objective of one domain for one sample of its latent vector (unverified).

    .. math:: \frac1{N^-} \sum_n s(x_n^-|z)
              - \frac{\lambda}{N^- N^+} \sum_{n,m} \sigma(s(x_m^+|z) - s(x_n^-|z))
              + \beta \, KL(q(z|X) \,\|\, N(0, I))

    After Kumagai, Iwata and Fujiwara 2019, "Transfer anomaly detection by inferring latent domain
    representations", from its abstract and reviews and otherwise from memory.

    Args:
        normal: (n,) scores s(x|z) of the domain's normals, n >= 1.
        anomalous: (m,) scores of its anomalies; None or empty leaves the second term out.
        mean: (k,) of q(z|X).
        log_variance: (k,) of q(z|X).
        auc_weight: lambda.
        kl_weight: beta.

    Returns:
        Scalar; may be negative, not below ``-auc_weight``.
    """
    loss = normal.mean() + kl_weight * gaussian_kl(mean, log_variance)
    if anomalous is None or not len(anomalous):
        return loss
    return loss - auc_weight * smooth_auc(normal, anomalous)
