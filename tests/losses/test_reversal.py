"""Gradient reversal: the identity forward, the exact opposite backward."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from twofold.losses import (
    DomainDiscriminator,
    adversarial_alignment,
    reversal_coefficient,
    reverse,
)


def rows(n: int, d: int, *, seed: int, dtype: torch.dtype = torch.float64) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64).to(dtype)


def discriminator(dim: int, hidden: int = 8, seed: int = 0) -> DomainDiscriminator:
    return DomainDiscriminator(dim, hidden, generator=torch.Generator().manual_seed(seed))


class First(nn.Module):
    """The first feature is the logit."""

    def forward(self, features: Tensor) -> Tensor:
        return features[:, 0]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float32, torch.float64])
@pytest.mark.parametrize("coefficient", [0.0, 0.25, 1.0, 3.0])
def test_forward_is_the_identity_and_backward_its_opposite(
    coefficient: float, dtype: torch.dtype
) -> None:
    features = rows(3, 4, seed=1, dtype=dtype).requires_grad_()
    out = reverse(features, coefficient)
    assert torch.equal(out, features)
    assert out.dtype == dtype
    gradient = rows(3, 4, seed=2, dtype=dtype)
    out.backward(gradient)  # type: ignore[no-untyped-call]
    assert features.grad is not None
    assert torch.equal(features.grad, -coefficient * gradient)


def test_the_default_is_full_strength() -> None:
    features = torch.ones(2, 2, requires_grad=True)
    torch.autograd.backward(reverse(features).sum())
    assert features.grad is not None
    assert torch.equal(features.grad, -torch.ones(2, 2))


def test_an_empty_batch_passes() -> None:
    features = torch.ones(0, 3, requires_grad=True)
    torch.autograd.backward(reverse(features).sum())
    assert features.grad is not None


def test_the_coefficient_grows_from_zero_to_one() -> None:
    values = [reversal_coefficient(p / 10) for p in range(11)]
    assert values[0] == 0.0
    assert values == sorted(values)
    assert values[-1] == pytest.approx(1, abs=1e-4)
    assert reversal_coefficient(0.1) == pytest.approx((math.e - 1) / (math.e + 1), rel=1e-12)


def test_the_discriminator_comes_from_its_generator_alone() -> None:
    before = torch.get_rng_state()
    first, again, other = discriminator(5), discriminator(5), discriminator(5, seed=1)
    assert torch.equal(torch.get_rng_state(), before)
    for one, two in zip(first.parameters(), again.parameters(), strict=True):
        assert torch.equal(one, two)
    linear = [layer for layer in first.layers if isinstance(layer, nn.Linear)]
    assert [tuple(layer.weight.shape) for layer in linear] == [(8, 5), (8, 8), (1, 8)]
    assert not torch.equal(linear[0].weight, next(other.parameters()))


def test_the_initialisation_is_that_of_pytorch() -> None:
    ours = next(layer for layer in discriminator(7).layers if isinstance(layer, nn.Linear))
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        usual = nn.Linear(7, 8)
    assert torch.equal(ours.weight, usual.weight)
    assert torch.equal(ours.bias, usual.bias)
    assert ours.weight.requires_grad
    assert ours.weight.device.type == "cpu"


def test_the_hidden_width_is_1024() -> None:
    model = DomainDiscriminator(3, generator=torch.Generator().manual_seed(0))
    assert [p.shape[0] for p in model.parameters() if p.ndim == 2] == [1024, 1024, 1]
    assert model(torch.zeros(4, 3)).shape == (4,)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 3), (2, 7)])
def test_the_value_equals_a_loop(n: int, m: int) -> None:
    source, target = rows(n, 3, seed=1), rows(m, 3, seed=2)
    model = discriminator(3).double().eval()
    of_source = [-math.log(1 / (1 + math.exp(-model(row[None]).item()))) for row in source]
    of_target = [-math.log(1 / (1 + math.exp(model(row[None]).item()))) for row in target]
    expected = 0.5 * (np.mean(of_source) + np.mean(of_target))
    loss = adversarial_alignment(model, source, target, 0.5)
    assert loss.item() == pytest.approx(expected, abs=1e-6)


def test_the_features_get_the_reversed_gradient_and_the_discriminator_its_own() -> None:
    source, target = rows(4, 3, seed=1), rows(5, 3, seed=2)
    model = discriminator(3).double().eval()
    gradients = {}
    for coefficient in (-1.0, 0.3):  # -1 undoes the reversal
        leaves = [source.clone().requires_grad_(), target.clone().requires_grad_()]
        loss = adversarial_alignment(model, leaves[0], leaves[1], coefficient)
        gradients[coefficient] = torch.autograd.grad(loss, [*leaves, *model.parameters()])
    for index, (plain, back) in enumerate(zip(gradients[-1.0], gradients[0.3], strict=True)):
        torch.testing.assert_close(back, -0.3 * plain if index < 2 else plain)


def test_gradients_agree_with_finite_differences() -> None:
    model = discriminator(3).double().eval()
    leaves = [rows(n, 3, seed=n).requires_grad_() for n in (4, 3)]
    # At -1 the reversal is undone, so that the gradient is that of the value.
    assert torch.autograd.gradcheck(lambda s, t: adversarial_alignment(model, s, t, -1.0), leaves)


@pytest.mark.parametrize("logit", [0.0, 5.0, -1000.0, 1000.0])
def test_known_logits(logit: float) -> None:
    source, target = torch.tensor([[logit]]), torch.tensor([[-logit]])
    loss = adversarial_alignment(First(), source, target, 1.0)
    assert torch.isfinite(loss)
    expected = math.log1p(math.exp(-logit)) if logit > -700 else -logit
    assert loss.item() == pytest.approx(expected, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize("dtype", [torch.float16, torch.float32])
@pytest.mark.parametrize(("n", "m"), [(0, 200), (200, 0), (0, 0)])
def test_an_empty_domain_makes_it_exactly_zero(n: int, m: int, dtype: torch.dtype) -> None:
    source = torch.ones(n, 1000, dtype=dtype, requires_grad=True)
    target = torch.ones(m, 1000, dtype=dtype, requires_grad=True)
    loss = adversarial_alignment(discriminator(1000), source, target, 1.0)
    torch.autograd.backward(loss)
    assert loss.item() == 0.0
    for part in (source, target):
        assert part.grad is not None
        assert torch.equal(part.grad, torch.zeros_like(part))


def test_identical_rows_in_training_mode_are_chance_and_finite() -> None:
    source, target = torch.zeros(1, 3, requires_grad=True), torch.zeros(1, 3, requires_grad=True)
    model = discriminator(3).train()
    loss = adversarial_alignment(model, source, target, 1.0)
    torch.autograd.backward(loss)
    assert loss.item() >= math.log(2) - 1e-6
    assert source.grad is not None
    assert torch.isfinite(source.grad).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_single(dtype: torch.dtype) -> None:
    source, target = rows(4, 3, seed=1, dtype=dtype), rows(5, 3, seed=2, dtype=dtype)
    model = discriminator(3).eval()
    loss = adversarial_alignment(model, source, target, 1.0)
    assert loss.dtype == torch.float32
    assert torch.equal(loss, adversarial_alignment(model, source.float(), target.float(), 1.0))


def test_training_against_each_other_confuses_the_discriminator() -> None:
    source, target = rows(60, 3, seed=1).float(), rows(60, 3, seed=2).float() + 1.5
    shift, model = torch.zeros(3, requires_grad=True), discriminator(3, hidden=16)
    optimiser = torch.optim.SGD(model.parameters(), 0.1)
    optimiser.add_param_group({"params": [shift], "lr": 0.3})
    before = (source.mean(0) - target.mean(0)).norm()
    for _ in range(60):
        optimiser.zero_grad()
        torch.autograd.backward(adversarial_alignment(model, source, target + shift, 1.0))
        optimiser.step()
    assert (source.mean(0) - target.mean(0) - shift.detach()).norm() < before / 2
