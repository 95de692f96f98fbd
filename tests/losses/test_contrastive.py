"""Contrastive alignment against the pair loop of the paper, and its edges."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from twofold.errors import ConfigError
from twofold.losses import contrastive_alignment

SHAPES = [(1, 1, 1, 2), (1, 5, 3, 4), (6, 1, 1, 3), (7, 4, 9, 16), (3, 8, 2, 1), (12, 12, 5, 64)]


def rows(n: int, d: int, *, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def cosine(u: Tensor, v: Tensor) -> float:
    length = (u.norm() * v.norm()).item()
    return (u @ v).item() / length if length > 0 else 0.0


def pair_loop(source: Tensor, dominant: Tensor, others: Tensor, temperature: float) -> float:
    """Equations 8 and 9 as printed: a double loop over pairs."""
    total = 0.0
    for anchor in source:
        for positive in dominant:
            numerator = math.exp(cosine(anchor, positive) / temperature)
            denominator = sum(math.exp(cosine(anchor, other) / temperature) for other in others)
            total -= math.log(numerator / denominator)
    return total / (len(source) * len(dominant))


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5, 1.0, 7.0])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_the_double_loop(shape: tuple[int, int, int, int], temperature: float) -> None:
    n, p, m, d = shape
    batch = rows(n, d, seed=1), rows(p, d, seed=2), rows(m, d, seed=3)
    loss = contrastive_alignment(*batch, temperature=temperature)
    assert loss.dtype == torch.float64
    assert loss.ndim == 0
    assert loss.item() == pytest.approx(pair_loop(*batch, temperature), rel=1e-10, abs=1e-10)


def test_equals_the_double_loop_in_single_precision() -> None:
    batch = [rows(n, 64, seed=n, dtype=torch.float32) for n in (20, 30, 10)]
    source, dominant, others = (part.double() for part in batch)
    exact = pair_loop(source, dominant, others, 0.1)
    assert float(contrastive_alignment(*batch)) == pytest.approx(exact, abs=1e-5)


def test_default_temperature_is_a_tenth() -> None:
    batch = rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)
    assert torch.equal(
        contrastive_alignment(*batch), contrastive_alignment(*batch, temperature=0.1)
    )


def test_the_length_of_rows_does_not_matter() -> None:
    batch = rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)
    scaled = [part * (10.0 ** rows(len(part), 1, seed=9)) for part in batch]
    torch.testing.assert_close(contrastive_alignment(*scaled), contrastive_alignment(*batch))


def test_the_order_of_rows_does_not_matter() -> None:
    batch = rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)
    torch.testing.assert_close(
        contrastive_alignment(*(part.flip(0) for part in batch)), contrastive_alignment(*batch)
    )


def test_without_negatives_only_the_attraction_remains() -> None:
    source, dominant = rows(4, 6, seed=1).requires_grad_(), rows(5, 6, seed=2).requires_grad_()
    loss = contrastive_alignment(source, dominant, rows(0, 6, seed=3), temperature=0.2)
    mean = sum(cosine(s, p) for s in source for p in dominant) / 20
    assert loss.item() == pytest.approx(-mean / 0.2, rel=1e-12)
    torch.autograd.backward(loss)
    for part in (source, dominant):
        assert part.grad is not None
        assert torch.isfinite(part.grad).all()
        assert part.grad.abs().sum() > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize(("n", "p", "m"), [(200, 0, 4), (0, 200, 4), (0, 0, 4), (200, 0, 0)])
def test_without_positives_or_source_it_is_exactly_zero(
    n: int, p: int, m: int, dtype: torch.dtype
) -> None:
    # 200 x 1000 ones: a float16 sum over them is infinite, and 0 times infinity not a number.
    source = torch.ones(n, 1000, dtype=dtype, requires_grad=True)
    dominant = torch.ones(p, 1000, dtype=dtype, requires_grad=True)
    loss = contrastive_alignment(source, dominant, torch.ones(m, 1000, dtype=dtype))
    assert loss.item() == 0.0
    assert loss.dtype == torch.promote_types(dtype, torch.float32)
    torch.autograd.backward(loss)
    for part in (source, dominant):
        assert part.grad is not None
        assert torch.equal(part.grad, torch.zeros_like(part))


def test_a_batch_of_one_each() -> None:
    u, v, w = torch.tensor([[3.0, 0.0]]), torch.tensor([[0.0, 2.0]]), torch.tensor([[1.0, 1.0]])
    loss = contrastive_alignment(u, v, w, temperature=0.5)
    assert loss.item() == pytest.approx(math.sqrt(0.5) / 0.5, rel=1e-6)


@pytest.mark.parametrize("m", [1, 2, 31])
def test_equal_features_give_the_logarithm_of_the_number_of_negatives(m: int) -> None:
    same = torch.full((1, 8), 0.3)
    loss = contrastive_alignment(same.expand(5, 8), same.expand(7, 8), same.expand(m, 8))
    assert loss.item() == pytest.approx(math.log(m), abs=1e-5)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_zero_vectors_have_cosine_zero(which: int) -> None:
    batch = [rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)]
    batch[which] = torch.zeros_like(batch[which])
    leaves = [part.clone().requires_grad_() for part in batch]
    loss = contrastive_alignment(*leaves)
    assert loss.item() == pytest.approx(pair_loop(batch[0], batch[1], batch[2], 0.1), rel=1e-10)
    torch.autograd.backward(loss)
    assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in leaves)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_tiny_temperature_stays_finite(dtype: torch.dtype) -> None:
    leaves = [rows(n, 16, seed=n, dtype=dtype).requires_grad_() for n in (6, 5, 4)]
    loss = contrastive_alignment(*leaves, temperature=1e-3)
    torch.autograd.backward(loss)
    assert torch.isfinite(loss)
    assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in leaves)


@pytest.mark.parametrize("temperature", [0.01, 0.1, 1.0])
@pytest.mark.parametrize("m", [1, 3, 20])
def test_the_value_lies_within_its_bounds(m: int, temperature: float) -> None:
    up, down = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, -1.0]])
    bound = 2 / temperature
    best = contrastive_alignment(up, up, down.expand(m, 2), temperature=temperature)
    worst = contrastive_alignment(up, down, up.expand(m, 2), temperature=temperature)
    assert best.item() == pytest.approx(math.log(m) - bound, rel=1e-5)
    assert worst.item() == pytest.approx(math.log(m) + bound, rel=1e-5)
    for seed in range(10):
        source, dominant = (rows(n, 3, seed=10 * seed + n) for n in (4, 5))
        others = rows(m, 3, seed=seed)
        value = float(contrastive_alignment(source, dominant, others, temperature=temperature))
        assert abs(value - math.log(m)) <= bound


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    batch = [rows(n, 32, seed=n, dtype=dtype) for n in (6, 5, 4)]
    loss = contrastive_alignment(*batch)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, contrastive_alignment(*(part.float() for part in batch)))


def test_gradients_agree_with_finite_differences() -> None:
    leaves = [rows(n, 3, seed=n).requires_grad_() for n in (4, 3, 2)]
    assert torch.autograd.gradcheck(
        lambda s, p, n: contrastive_alignment(s, p, n, temperature=0.3), leaves
    )


def test_the_pull_on_a_positive_never_saturates() -> None:
    # Total tangential pull 1 / temperature whatever the negatives: unlike InfoNCE.
    source, negative = torch.tensor([[1.0, 0.0]]), torch.tensor([[-1.0, 0.0]])
    positive = torch.tensor([[0.0, 1.0]], requires_grad=True)
    torch.autograd.backward(contrastive_alignment(source, positive, negative, temperature=0.25))
    assert positive.grad is not None
    torch.testing.assert_close(positive.grad, torch.tensor([[-4.0, 0.0]]))


def test_it_is_not_infonce() -> None:
    source, dominant, others = (rows(n, 8, seed=n) for n in (4, 1, 6))
    unit = [torch.nn.functional.normalize(part, dim=1) for part in (source, dominant, others)]
    logits = torch.cat([unit[0] @ unit[1].T, unit[0] @ unit[2].T], dim=1) / 0.1
    infonce = torch.nn.functional.cross_entropy(logits, torch.zeros(4, dtype=torch.int64))
    ours = contrastive_alignment(source, dominant, others)
    assert infonce.item() > ours.item() + 1e-3
    # The positive is the whole difference between the two denominators.
    without = torch.logsumexp(logits[:, 1:], dim=1) - logits[:, 0]
    torch.testing.assert_close(ours, without.mean())


def test_a_negative_value_is_possible() -> None:
    up, down = torch.tensor([[0.0, 1.0]]), torch.tensor([[0.0, -1.0]])
    assert contrastive_alignment(up, up, down) < 0


@pytest.mark.parametrize("temperature", [0.0, -0.1, -math.inf, math.nan])
@pytest.mark.parametrize("n", [0, 2])
def test_a_bad_temperature_is_refused(n: int, temperature: float) -> None:
    batch = torch.ones(n, 3), torch.ones(2, 3), torch.ones(2, 3)
    with pytest.raises(ConfigError, match="temperature"):
        contrastive_alignment(*batch, temperature=temperature)
