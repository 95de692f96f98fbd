"""Deep SVDD compactness against numpy."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from twofold.losses import one_class_center, squared_distances, svdd_loss


@pytest.mark.parametrize(("n", "d"), [(1, 1), (1, 7), (5, 3), (40, 128)])
def test_agrees_with_numpy(n: int, d: int) -> None:
    features = np.random.default_rng(n).normal(3.0, 2.0, size=(n, d))
    tensor = torch.from_numpy(features)
    mean = features.mean(axis=0)
    distances = np.sum((features - mean) ** 2, axis=1)
    center = one_class_center(tensor)
    np.testing.assert_allclose(center.numpy(), mean, rtol=1e-12)
    np.testing.assert_allclose(squared_distances(tensor, center).numpy(), distances, atol=1e-10)
    assert float(svdd_loss(tensor, center)) == pytest.approx(distances.mean(), abs=1e-10)


def test_any_center_may_be_given() -> None:
    features = torch.tensor([[3.0, 4.0], [0.0, 0.0]])
    assert squared_distances(features, torch.zeros(2)).tolist() == [25.0, 0.0]
    assert float(svdd_loss(features, torch.zeros(2))) == 12.5


def test_the_center_is_detached() -> None:
    features = torch.randn(4, 3, requires_grad=True)
    center = one_class_center(features)
    assert not center.requires_grad
    torch.autograd.backward(svdd_loss(features, center))
    assert features.grad is not None
    torch.testing.assert_close(features.grad, 2 * (features.detach() - center) / 4)


def test_one_row_at_its_own_center_costs_nothing() -> None:
    features = torch.randn(1, 5, requires_grad=True)
    loss = svdd_loss(features, one_class_center(features))
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    assert features.grad is not None
    assert not features.grad.any()


def test_gradients_agree_with_finite_differences() -> None:
    features = torch.randn(4, 3, dtype=torch.float64, requires_grad=True)
    center = torch.randn(3, dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(svdd_loss, (features, center))
