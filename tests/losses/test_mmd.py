"""Maximum mean discrepancy against a double loop, and its sense."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.losses import mmd_alignment

Array = NDArray[np.float64]


def rows(n: int, d: int, *, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def squared(u: Array, v: Array) -> float:
    return float(np.sum((u - v) ** 2))


def mean_squared_distance(rows: Array) -> float:
    pairs = [squared(u, v) for i, u in enumerate(rows) for j, v in enumerate(rows) if i != j]
    return sum(pairs) / len(pairs)


def pair_loop(source: Array, target: Array, scale: float | None = None) -> float:
    """The definition, a double loop over pairs; the scale may be held fast."""
    m = mean_squared_distance(np.concatenate([source, target])) if scale is None else scale

    def kernel(u: Array, v: Array) -> float:
        return sum(math.exp(-squared(u, v) / (2 * a * m)) for a in (1 / 8, 1 / 4, 1 / 2, 1, 2))

    def within(rows: Array) -> float:
        pairs = [kernel(u, v) for i, u in enumerate(rows) for j, v in enumerate(rows) if i != j]
        return sum(pairs) / len(pairs)

    across = [kernel(u, v) for u in source for v in target]
    return within(source) + within(target) - 2 * sum(across) / len(across)


@pytest.mark.parametrize(("n", "m", "d"), [(2, 2, 1), (5, 3, 4), (2, 9, 16), (7, 7, 2)])
def test_equals_the_double_loop(n: int, m: int, d: int) -> None:
    source, target = rows(n, d, seed=1), rows(m, d, seed=2) + 0.5
    loss = mmd_alignment(source, target)
    assert loss.ndim == 0
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(pair_loop(source.numpy(), target.numpy()), abs=1e-6)


def test_the_gradient_holds_the_bandwidth_fast() -> None:
    source, target = rows(3, 2, seed=1).requires_grad_(), rows(4, 2, seed=2).requires_grad_()
    torch.autograd.backward(mmd_alignment(source, target))
    s, t = source.detach().numpy(), target.detach().numpy()
    scale = mean_squared_distance(np.concatenate([s, t]))
    for part, leaf in ((s, source), (t, target)):
        assert leaf.grad is not None
        for index in np.ndindex(*part.shape):
            start = part[index]
            part[index] = start + 1e-5
            above = pair_loop(s, t, scale)
            part[index] = start - 1e-5
            below = pair_loop(s, t, scale)
            part[index] = start
            assert leaf.grad[index].item() == pytest.approx((above - below) / 2e-5, abs=1e-6)


def test_it_is_near_zero_for_one_distribution_and_positive_for_two() -> None:
    values = [
        mmd_alignment(rows(40, 5, seed=2 * k), rows(60, 5, seed=2 * k + 1)).item()
        for k in range(20)
    ]
    shifted = [
        mmd_alignment(rows(40, 5, seed=2 * k), rows(60, 5, seed=2 * k + 1) + 1).item()
        for k in range(20)
    ]
    # Unbiased: the mean over draws is 0, and single draws fall on both sides.
    assert abs(np.mean(values)) < 0.01
    assert min(values) < 0 < max(values)
    assert min(shifted) > 10 * max(values)


def test_it_is_symmetric_and_without_order() -> None:
    source, target = rows(5, 4, seed=1), rows(8, 4, seed=2)
    loss = mmd_alignment(source, target)
    torch.testing.assert_close(mmd_alignment(target, source), loss)
    torch.testing.assert_close(mmd_alignment(source.flip(0), target.flip(0)), loss)


def test_the_unit_of_the_features_does_not_matter() -> None:
    source, target = rows(5, 4, seed=1), rows(8, 4, seed=2)
    loss = mmd_alignment(source, target)
    torch.testing.assert_close(mmd_alignment(1e4 * source + 3, 1e4 * target + 3), loss)


def test_steps_against_the_gradient_bring_the_domains_together() -> None:
    source = rows(20, 3, seed=1)
    target = (rows(20, 3, seed=2) + 2).requires_grad_()
    before = mmd_alignment(source, target).item()
    for _ in range(50):
        (gradient,) = torch.autograd.grad(mmd_alignment(source, target), target)
        with torch.no_grad():
            target -= 5 * gradient
    assert mmd_alignment(source, target).item() < before / 4


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "m"), [(0, 0), (0, 200), (1, 200), (200, 1), (1, 1)])
def test_fewer_than_two_rows_make_it_exactly_zero(n: int, m: int, dtype: torch.dtype) -> None:
    source = torch.ones(n, 1000, dtype=dtype, requires_grad=True)
    target = torch.ones(m, 1000, dtype=dtype, requires_grad=True)
    loss = mmd_alignment(source, target)
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    assert loss.dtype == torch.promote_types(dtype, torch.float32)
    for part in (source, target):
        assert part.grad is not None
        assert torch.equal(part.grad, torch.zeros_like(part))


@pytest.mark.parametrize("value", [0.0, 0.7])
def test_identical_rows_cost_nothing_and_have_a_finite_gradient(value: float) -> None:
    source = torch.full((3, 4), value, requires_grad=True)
    target = torch.full((5, 4), value, requires_grad=True)
    loss = mmd_alignment(source, target)
    torch.autograd.backward(loss)
    assert loss.item() == pytest.approx(0.0, abs=1e-5)
    for part in (source, target):
        assert part.grad is not None
        assert torch.isfinite(part.grad).all()


def test_copies_among_other_rows_have_a_finite_gradient() -> None:
    source, target = rows(4, 3, seed=1), rows(4, 3, seed=2)
    source[1], target[0] = source[0], source[0]
    leaves = source.requires_grad_(), target.requires_grad_()
    torch.autograd.backward(mmd_alignment(*leaves))
    assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in leaves)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    batch = [rows(n, 32, seed=n, dtype=dtype) for n in (6, 5)]
    loss = mmd_alignment(*batch)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, mmd_alignment(*(part.float() for part in batch)))
