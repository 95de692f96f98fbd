"""Weights, factor and debiasing of the negatives, against the pair loop."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from twofold.errors import ConfigError
from twofold.losses import contrastive_alignment

SHAPES = [(1, 1, 1, 2), (1, 5, 3, 4), (6, 1, 1, 3), (7, 4, 9, 16), (3, 8, 2, 1)]


def rows(n: int, d: int, *, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def some_weights(m: int) -> Tensor:
    return torch.rand(m, generator=torch.Generator().manual_seed(5), dtype=torch.float64) * 2


def cosine(u: Tensor, v: Tensor) -> float:
    length = (u.norm() * v.norm()).item()
    return (u @ v).item() / length if length > 0 else 0.0


def pair_loop(
    batch: tuple[Tensor, Tensor, Tensor],
    temperature: float,
    weights: Tensor,
    share: float,
    alpha: float = 1.0,
) -> float:
    """Equation 8 with the denominator of Chuang et al. (2020), a double loop over pairs."""
    source, dominant, others = batch
    mass, total = float(weights.sum()), 0.0
    for anchor in source:
        near = [math.exp(cosine(anchor, positive) / temperature) for positive in dominant]
        far = sum(
            float(weight) * math.exp(alpha * cosine(anchor, other) / temperature)
            for weight, other in zip(weights, others, strict=True)
        )
        corrected = (far - share * mass * sum(near) / len(near)) / (1 - share)
        denominator = max(corrected, mass * math.exp(-alpha / temperature))
        total += sum(-math.log(numerator / denominator) for numerator in near)
    return total / (len(source) * len(dominant))


@pytest.mark.parametrize("temperature", [0.05, 0.1, 0.5, 7.0])
@pytest.mark.parametrize("share", [0.0, 0.1, 0.5, 0.95])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_equals_the_double_loop(
    shape: tuple[int, int, int, int], weighted: bool, share: float, temperature: float
) -> None:
    n, p, m, d = shape
    batch = rows(n, d, seed=1), rows(p, d, seed=2), rows(m, d, seed=3)
    weights = some_weights(m) if weighted else None
    loss = contrastive_alignment(*batch, temperature=temperature, weights=weights, debias=share)
    used = torch.ones(m) if weights is None else weights
    assert loss.dtype == torch.float64
    assert loss.item() == pytest.approx(pair_loop(batch, temperature, used, share), abs=1e-6)


@pytest.mark.parametrize("alpha", [0.5, 2.0, 3.0])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_alpha_multiplies_the_similarities_of_negatives(
    shape: tuple[int, int, int, int], weighted: bool, alpha: float
) -> None:
    n, p, m, d = shape
    batch = rows(n, d, seed=1), rows(p, d, seed=2), rows(m, d, seed=3)
    weights = some_weights(m) if weighted else None
    loss = contrastive_alignment(*batch, temperature=0.2, alpha=alpha, weights=weights)
    used = torch.ones(m) if weights is None else weights
    assert loss.item() == pytest.approx(pair_loop(batch, 0.2, used, 0.0, alpha), abs=1e-6)


def test_both_branches_of_the_denominator_occur() -> None:
    # Else the loop above would compare the floor, or the difference, alone.
    batch = rows(7, 16, seed=1), rows(4, 16, seed=2), rows(9, 16, seed=3)
    low, high = (contrastive_alignment(*batch, debias=share).item() for share in (0.1, 0.95))
    floor = math.log(9) - 1 / 0.1 + contrastive_alignment(*batch[:2], batch[2][:0]).item()
    assert low > high >= floor
    assert contrastive_alignment(batch[0], batch[0], -batch[0], debias=0.5).item() < low


@pytest.mark.parametrize("share", [0.1, 0.5])
@pytest.mark.parametrize("temperature", [0.1, 0.5])
def test_single_precision_agrees_with_the_double_loop(temperature: float, share: float) -> None:
    batch = rows(20, 64, seed=1).float(), rows(30, 64, seed=2).float(), rows(10, 64, seed=3).float()
    weights = some_weights(10)
    loss = contrastive_alignment(*batch, temperature=temperature, weights=weights, debias=share)
    source, dominant, others = (part.double() for part in batch)
    exact = pair_loop((source, dominant, others), temperature, weights, share)
    assert loss.dtype == torch.float32
    assert loss.item() == pytest.approx(exact, abs=1e-4)


def test_defaults_are_bit_equal_to_equation_8() -> None:
    batch = rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)
    plain = contrastive_alignment(*batch)
    assert torch.equal(contrastive_alignment(*batch, weights=None, debias=0.0), plain)
    torch.testing.assert_close(
        contrastive_alignment(*batch, weights=torch.ones(3)), plain, rtol=1e-12, atol=0
    )


def test_scaling_all_weights_shifts_the_value_alone() -> None:
    batch, weights = [rows(n, 6, seed=n) for n in (4, 5, 3)], some_weights(3)
    one = contrastive_alignment(*batch, weights=weights, debias=0.2)
    ten = contrastive_alignment(*batch, weights=10 * weights, debias=0.2)
    torch.testing.assert_close(ten - one, torch.tensor(math.log(10), dtype=torch.float64))


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_a_weight_of_zero_leaves_the_negative_out(share: float) -> None:
    batch = rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)
    weights = torch.tensor([1.0, 0.0, 1.0])
    others = batch[2].clone().requires_grad_()
    loss = contrastive_alignment(batch[0], batch[1], others, weights=weights, debias=share)
    rest = batch[2][[0, 2]]
    torch.testing.assert_close(
        loss, contrastive_alignment(batch[0], batch[1], rest, debias=share), rtol=1e-12, atol=0
    )
    torch.autograd.backward(loss)
    assert others.grad is not None
    assert not others.grad[1].any()
    assert others.grad[[0, 2]].abs().sum() > 0


@pytest.mark.parametrize("share", [0.0, 0.3])
@pytest.mark.parametrize("weights", [torch.zeros(3), None])
def test_without_any_weight_or_negative_only_the_attraction_remains(
    weights: Tensor | None, share: float
) -> None:
    source, dominant, others = rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)
    given = others[:0] if weights is None else others
    loss = contrastive_alignment(source, dominant, given, weights=weights, debias=share)
    assert torch.equal(loss, contrastive_alignment(source, dominant, others[:0]))


@pytest.mark.parametrize(("n", "p"), [(0, 3), (3, 0)])
def test_without_positives_or_source_it_is_zero(n: int, p: int) -> None:
    source = torch.ones(n, 4, requires_grad=True)
    loss = contrastive_alignment(
        source, torch.ones(p, 4), torch.ones(2, 4), weights=torch.ones(2), debias=0.5
    )
    torch.autograd.backward(loss)
    assert loss.item() == 0.0


def test_negatives_that_are_the_positives_are_debiased_to_the_floor() -> None:
    same = rows(5, 8, seed=1).requires_grad_()
    loss = contrastive_alignment(rows(4, 8, seed=2), same, same, temperature=0.5, debias=0.999999)
    attraction = contrastive_alignment(rows(4, 8, seed=2), same, same[:0], temperature=0.5)
    assert loss.item() >= attraction.item() + math.log(5) - 2 - 1e-12
    exact = torch.ones(1, 8, requires_grad=True)
    torch.autograd.backward(contrastive_alignment(exact, exact, exact, debias=1 - 1e-12))
    assert exact.grad is not None
    assert torch.isfinite(exact.grad).all()


@pytest.mark.parametrize("share", [1e-9, 0.1, 0.5, 0.999])
@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
def test_a_tiny_temperature_stays_finite(dtype: torch.dtype, share: float) -> None:
    for seed in range(5):
        leaves = [rows(n, 4, seed=seed + n, dtype=dtype).requires_grad_() for n in (6, 5, 4)]
        loss = contrastive_alignment(
            *leaves, temperature=1e-3, weights=some_weights(4), debias=share
        )
        torch.autograd.backward(loss)
        assert torch.isfinite(loss)
        assert all(part.grad is not None and torch.isfinite(part.grad).all() for part in leaves)


@pytest.mark.parametrize("which", [0, 1, 2])
def test_zero_vectors_have_cosine_zero(which: int) -> None:
    parts = [rows(4, 6, seed=1), rows(5, 6, seed=2), rows(3, 6, seed=3)]
    parts[which] = torch.zeros_like(parts[which])
    batch = parts[0], parts[1], parts[2]
    loss = contrastive_alignment(*batch, temperature=0.5, weights=some_weights(3), debias=0.2)
    assert loss.item() == pytest.approx(pair_loop(batch, 0.5, some_weights(3), 0.2), abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    batch, weights = [rows(n, 32, seed=n, dtype=dtype) for n in (6, 5, 4)], torch.ones(4)
    loss = contrastive_alignment(*batch, weights=weights, debias=0.2)
    single = contrastive_alignment(*(part.float() for part in batch), weights=weights, debias=0.2)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, single)


@pytest.mark.parametrize("share", [0.0, 0.1, 0.9])
def test_gradients_agree_with_finite_differences(share: float) -> None:
    leaves = [rows(n, 3, seed=n).requires_grad_() for n in (4, 3, 5)]
    weights = some_weights(5)
    assert torch.autograd.gradcheck(
        lambda s, p, n: contrastive_alignment(
            s, p, n, temperature=0.6, weights=weights, debias=share
        ),
        leaves,
    )


def test_weights_are_constants() -> None:
    weights = torch.tensor([1.0, 0.0], requires_grad=True)
    batch = torch.ones(2, 3), torch.ones(2, 3), torch.ones(2, 3)
    assert not contrastive_alignment(*batch, weights=weights).requires_grad


@pytest.mark.parametrize(
    ("weights", "message"),
    [
        (torch.ones(2), "3 negatives"),
        (torch.ones(3, 1), "3 negatives"),
        (torch.tensor([1.0, -1.0, 1.0]), "at least 0"),
        (torch.tensor([1.0, math.nan, 1.0]), "finite"),
        (torch.tensor([1.0, math.inf, 1.0]), "finite"),
    ],
)
def test_bad_weights_are_refused(weights: Tensor, message: str) -> None:
    batch = torch.ones(2, 4), torch.ones(2, 4), torch.ones(3, 4)
    with pytest.raises(ConfigError, match=message):
        contrastive_alignment(*batch, weights=weights)


@pytest.mark.parametrize("share", [-0.1, 1.0, 1.5, math.nan])
def test_a_bad_share_is_refused(share: float) -> None:
    batch = torch.ones(2, 4), torch.ones(2, 4), torch.ones(3, 4)
    with pytest.raises(ConfigError, match="debias"):
        contrastive_alignment(*batch, debias=share)
