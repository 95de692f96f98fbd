"""ILDR's losses against double loops, and their sense."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Normal, kl_divergence

from twofold.losses import gaussian_kl, ildr_loss, smooth_auc


def values(n: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, generator=generator, dtype=torch.float64)


def slow_auc(normal: Tensor, anomalous: Tensor) -> float:
    total = 0.0
    for high in anomalous.tolist():
        for low in normal.tolist():
            total += 1 / (1 + math.exp(-(high - low)))
    return total / (len(normal) * len(anomalous))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 3), (7, 9)])
def test_the_smooth_auc_equals_the_double_loop(n: int, m: int) -> None:
    normal, anomalous = values(n, 1), values(m, 2)
    expected = slow_auc(normal, anomalous)
    assert smooth_auc(normal, anomalous).item() == pytest.approx(expected)


def test_the_smooth_auc_of_scores_that_are_far_apart() -> None:
    assert smooth_auc(values(5, 1), values(5, 2) + 100).item() == pytest.approx(1)
    assert smooth_auc(values(5, 1), values(5, 2) - 100).item() == pytest.approx(0)
    assert smooth_auc(torch.ones(3), torch.ones(4)).item() == 0.5


def test_the_divergence_is_that_of_the_library() -> None:
    mean, log_variance = values(6, 1), values(6, 2)
    q = Normal(mean, (log_variance / 2).exp())
    p = Normal(torch.zeros(6, dtype=torch.float64), torch.ones(6, dtype=torch.float64))
    expected = kl_divergence(q, p).sum().item()
    assert gaussian_kl(mean, log_variance).item() == pytest.approx(expected)
    assert gaussian_kl(torch.zeros(4), torch.zeros(4)).item() == 0


def test_the_objective_is_the_sum_of_its_terms() -> None:
    normal, anomalous, mean, log_variance = values(5, 1), values(3, 2), values(4, 3), values(4, 4)
    loss = ildr_loss(normal, anomalous, mean, log_variance, auc_weight=0.7, kl_weight=0.3)
    kl = sum(
        (m**2 + math.exp(v) - v - 1) / 2
        for m, v in zip(mean.tolist(), log_variance.tolist(), strict=True)
    )
    expected = normal.mean().item() - 0.7 * slow_auc(normal, anomalous) + 0.3 * kl
    assert loss.item() == pytest.approx(expected)


@pytest.mark.parametrize("nothing", [None, torch.empty(0)])
def test_without_anomalies_the_auc_term_is_dropped(nothing: Tensor | None) -> None:
    normal, mean, log_variance = values(5, 1), values(4, 3), values(4, 4)
    loss = ildr_loss(normal, nothing, mean, log_variance, auc_weight=9.0, kl_weight=0.1)
    assert loss.item() == pytest.approx(
        normal.mean().item() + 0.1 * gaussian_kl(mean, log_variance).item()
    )


def test_a_step_lowers_normals_and_raises_anomalies() -> None:
    normal, anomalous = values(5, 1).requires_grad_(), values(5, 2).requires_grad_()
    mean, log_variance = values(4, 3).requires_grad_(), values(4, 4).requires_grad_()
    torch.autograd.backward(ildr_loss(normal, anomalous, mean, log_variance))
    assert normal.grad is not None
    assert anomalous.grad is not None
    assert (normal.grad > 0).all()
    assert (anomalous.grad < 0).all()
    # The divergence pulls the mean to 0 and the variance to 1.
    assert mean.grad is not None
    assert log_variance.grad is not None
    assert torch.equal(mean.grad.sign(), mean.detach().sign())
    assert torch.equal(log_variance.grad.sign(), log_variance.detach().sign())
