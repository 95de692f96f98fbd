"""MsRA's losses against their literal forms."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from twofold.losses import domain_nll, normality_loss, two_domain_compactness


def draw(n: int, d: int = 5, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, dtype=torch.float64, generator=generator)


def slow_compactness(source: Tensor, target: Tensor) -> float:
    total = 0.0
    for rows in (source, target):
        center = [sum(float(row[k]) for row in rows) / len(rows) for k in range(rows.shape[1])]
        for row in rows:
            total += math.sqrt(
                sum((float(x) - c) ** 2 for x, c in zip(row, center, strict=True))
            ) / len(rows)
    gap = [float(a) - float(b) for a, b in zip(source.mean(0), target.mean(0), strict=True)]
    return total + math.sqrt(sum(g * g for g in gap))


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 4), (7, 3)])
def test_compactness_is_the_sum_over_rows(n: int, m: int) -> None:
    source, target = draw(n), draw(m, seed=1) + 2
    assert float(two_domain_compactness(source, target)) == pytest.approx(
        slow_compactness(source, target), abs=1e-12
    )


def test_distances_are_not_squared() -> None:
    source, target = draw(6), draw(6, seed=1)
    once = two_domain_compactness(source, target)
    torch.testing.assert_close(two_domain_compactness(3 * source, 3 * target), 3 * once)


def test_the_means_keep_their_gradient() -> None:
    """With constant means the gradient of a domain's spread would be the unit vectors alone."""
    source, target = draw(4).requires_grad_(), draw(5, seed=1).requires_grad_()
    assert torch.autograd.gradcheck(two_domain_compactness, (source, target))


def test_a_distance_of_zero_has_no_gradient() -> None:
    rows = torch.ones(3, 4, requires_grad=True)
    loss = two_domain_compactness(rows, torch.ones(2, 4))
    loss.backward()  # type: ignore[no-untyped-call]
    assert loss.item() == 0
    assert rows.grad is not None
    assert torch.equal(rows.grad, torch.zeros(3, 4))


@pytest.mark.parametrize("sizes", [(0, 3), (3, 0), (0, 0)])
def test_an_empty_domain_leaves_nothing_to_pull(sizes: tuple[int, int]) -> None:
    source = draw(sizes[0]).requires_grad_()
    loss = two_domain_compactness(source, draw(sizes[1]))
    assert loss.item() == 0
    loss.backward()  # type: ignore[no-untyped-call]


@pytest.mark.parametrize("twice", [True, False])
def test_normality(twice: bool) -> None:
    outputs = draw(6)[:, 0]
    expected = 0.0
    for output in outputs.tolist():
        p = 1 / (1 + math.exp(-output))
        expected += (math.log(1 + math.exp(p)) if twice else -math.log(1 - p)) / 6
    assert float(normality_loss(outputs, sigmoid_twice=twice)) == pytest.approx(expected)


def test_the_floor_of_the_released_form_is_ln_2() -> None:
    low, high = torch.tensor([-60.0]), torch.tensor([60.0])
    assert float(normality_loss(low)) == pytest.approx(math.log(2))
    assert float(normality_loss(high)) == pytest.approx(math.log(1 + math.e))
    assert float(normality_loss(low, sigmoid_twice=False)) == pytest.approx(0, abs=1e-12)


def test_domains() -> None:
    near, far = (draw(n, 2, n).log_softmax(1) for n in (3, 5))
    expected = -sum(float(r[0]) for r in near) / 3 - sum(float(r[1]) for r in far) / 5
    assert float(domain_nll(near, far)) == pytest.approx(expected)
    chance = torch.full((4, 2), math.log(0.5))
    assert float(domain_nll(chance, chance)) == pytest.approx(2 * math.log(2))
    assert float(domain_nll(chance, chance[:0])) == pytest.approx(math.log(2))


def test_half_precision_is_computed_in_single() -> None:
    rows = draw(4).half()
    for loss in (
        two_domain_compactness(rows, rows + 1),
        normality_loss(rows[:, 0]),
        domain_nll(rows[:, :2], rows[:, :2]),
    ):
        assert loss.dtype == torch.float32
    assert float(normality_loss(torch.empty(0))) == 0
