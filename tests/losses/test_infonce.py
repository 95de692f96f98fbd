"""InfoNCE against a double loop, and how it differs from equation 8."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from twofold.errors import ConfigError
from twofold.losses import contrastive_alignment, infonce_alignment

SHAPES = [(1, 1, 1, 2), (1, 5, 3, 4), (6, 1, 1, 3), (7, 4, 9, 16), (3, 8, 2, 1)]


def rows(n: int, d: int, *, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def cosine(u: Tensor, v: Tensor) -> float:
    length = (u.norm() * v.norm()).item()
    return (u @ v).item() / length if length > 0 else 0.0


def pair_loop(source: Tensor, dominant: Tensor, others: Tensor, temperature: float) -> float:
    total = 0.0
    for anchor in source:
        for positive in dominant:
            numerator = math.exp(cosine(anchor, positive) / temperature)
            rest = sum(math.exp(cosine(anchor, other) / temperature) for other in others)
            total -= math.log(numerator / (numerator + rest))
    return total / (len(source) * len(dominant))


@pytest.mark.parametrize("temperature", [0.05, 0.1, 1.0, 7.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_the_double_loop(shape: tuple[int, int, int, int], temperature: float) -> None:
    n, p, m, d = shape
    batch = rows(n, d, seed=1), rows(p, d, seed=2), rows(m, d, seed=3)
    loss = infonce_alignment(*batch, temperature=temperature)
    assert loss.dtype == torch.float64
    assert loss.ndim == 0
    assert loss.item() == pytest.approx(pair_loop(*batch, temperature), abs=1e-6)


def test_one_positive_is_cross_entropy() -> None:
    batch = [rows(n, 8, seed=n) for n in (4, 1, 6)]
    unit = [torch.nn.functional.normalize(part, dim=1) for part in batch]
    logits = torch.cat([unit[0] @ unit[1].T, unit[0] @ unit[2].T], dim=1) / 0.1
    expected = torch.nn.functional.cross_entropy(logits, torch.zeros(4, dtype=torch.int64))
    torch.testing.assert_close(infonce_alignment(*batch), expected)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("m", [1, 20])
def test_it_is_never_negative_and_above_equation_8(m: int, temperature: float) -> None:
    up, down = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, -1.0]])
    assert infonce_alignment(up, up, down.expand(m, 2), temperature=temperature) >= 0
    for seed in range(5):
        batch = [rows(n, 3, seed=10 * seed + n) for n in (4, 5, m)]
        value = infonce_alignment(*batch, temperature=temperature)
        assert value >= 0
        assert value >= contrastive_alignment(*batch, temperature=temperature)


def test_the_pull_saturates() -> None:
    source, negative = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    pulls = {}
    for loss in (infonce_alignment, contrastive_alignment):
        positive = torch.tensor([[2.0, 1.0]], requires_grad=True)
        torch.autograd.backward(loss(source, positive, negative, temperature=0.1))
        assert positive.grad is not None
        pulls[loss] = positive.grad.norm().item()
    assert pulls[infonce_alignment] < 1e-6 < 1 < pulls[contrastive_alignment]


@pytest.mark.parametrize("m", [1, 2, 31])
def test_equal_features_give_the_logarithm_of_one_more(m: int) -> None:
    same = torch.full((1, 8), 0.3)
    loss = infonce_alignment(same.expand(5, 8), same.expand(7, 8), same.expand(m, 8))
    assert loss.item() == pytest.approx(math.log(m + 1), abs=1e-5)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "p", "m"), [(200, 0, 4), (0, 200, 4), (0, 0, 4), (200, 200, 0)])
def test_an_empty_part_makes_it_exactly_zero(n: int, p: int, m: int, dtype: torch.dtype) -> None:
    source = torch.ones(n, 1000, dtype=dtype, requires_grad=True)
    dominant = torch.ones(p, 1000, dtype=dtype, requires_grad=True)
    loss = infonce_alignment(source, dominant, torch.ones(m, 1000, dtype=dtype))
    assert loss.item() == 0.0
    assert loss.dtype == torch.promote_types(dtype, torch.float32)
    torch.autograd.backward(loss)
    for part in (source, dominant):
        assert part.grad is not None
        assert torch.equal(part.grad, torch.zeros_like(part))


@pytest.mark.parametrize("which", [0, 1, 2])
def test_zero_vectors_have_cosine_zero(which: int) -> None:
    batch = [rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)]
    batch[which] = torch.zeros_like(batch[which])
    leaves = [part.clone().requires_grad_() for part in batch]
    loss = infonce_alignment(*leaves)
    assert loss.item() == pytest.approx(pair_loop(batch[0], batch[1], batch[2], 0.1), abs=1e-6)
    torch.autograd.backward(loss)
    assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in leaves)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_tiny_temperature_stays_finite(dtype: torch.dtype) -> None:
    leaves = [rows(n, 16, seed=n, dtype=dtype).requires_grad_() for n in (6, 5, 4)]
    loss = infonce_alignment(*leaves, temperature=1e-3)
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in leaves)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    batch = [rows(n, 32, seed=n, dtype=dtype) for n in (6, 5, 4)]
    loss = infonce_alignment(*batch)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, infonce_alignment(*(part.float() for part in batch)))


def test_gradients_agree_with_finite_differences() -> None:
    leaves = [rows(n, 3, seed=n).requires_grad_() for n in (4, 3, 2)]
    assert torch.autograd.gradcheck(
        lambda s, p, n: infonce_alignment(s, p, n, temperature=0.3), leaves
    )


@pytest.mark.parametrize("temperature", [0.0, -0.1, -math.inf, math.nan])
@pytest.mark.parametrize("n", [0, 2])
def test_a_bad_temperature_is_refused(n: int, temperature: float) -> None:
    batch = torch.ones(n, 3), torch.ones(2, 3), torch.ones(2, 3)
    with pytest.raises(ConfigError, match="temperature"):
        infonce_alignment(*batch, temperature=temperature)
