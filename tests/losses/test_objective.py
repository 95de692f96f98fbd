"""Equation 10 is the weighted sum of its two parts."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from twofold.errors import ConfigError
from twofold.losses import adaptation_objective, contrastive_alignment, svdd_loss


def batch(d: int = 6) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    source, dominant, others, center = (
        torch.randn(n, d, generator=generator, dtype=torch.float64) for n in (5, 4, 3, 1)
    )
    return source, dominant, others, center[0]


@pytest.mark.parametrize("temperature", [0.1, 0.5])
@pytest.mark.parametrize(("ad", "uda"), [(1.0, 0.1), (0.0, 1.0), (2.5, 0.0), (0.3, 4.0)])
def test_is_the_weighted_sum(ad: float, uda: float, temperature: float) -> None:
    source, dominant, others, center = batch()
    loss = adaptation_objective(
        source, dominant, others, center, lambda_ad=ad, lambda_uda=uda, temperature=temperature
    )
    alignment = contrastive_alignment(source, dominant, others, temperature=temperature)
    torch.testing.assert_close(loss, ad * svdd_loss(source, center) + uda * alignment)


def test_defaults() -> None:
    torch.testing.assert_close(
        adaptation_objective(*batch()),
        adaptation_objective(*batch(), lambda_ad=1.0, lambda_uda=0.1, temperature=0.1),
    )


def test_without_positives_only_compactness_remains() -> None:
    source, dominant, others, center = batch()
    source.requires_grad_()
    loss = adaptation_objective(source, dominant[:0], others, center)
    torch.autograd.backward(loss)
    assert loss.item() == svdd_loss(source, center).item()
    assert source.grad is not None
    assert torch.isfinite(source.grad).all()


def test_gradients_agree_with_finite_differences() -> None:
    leaves = [part.requires_grad_() for part in batch(3)]
    assert torch.autograd.gradcheck(
        lambda s, p, n, c: adaptation_objective(s, p, n, c, temperature=0.4, lambda_uda=0.7),
        leaves,
    )


def test_a_bad_temperature_is_refused() -> None:
    with pytest.raises(ConfigError, match="temperature"):
        adaptation_objective(*batch(), temperature=0)
