"""Losses of one-shot translation against loops, and where their gradients go."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from twofold.losses import latent_cycle, latent_energy, reconstruction


def values(seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(2, 3, 4, 5, generator=generator, dtype=torch.float64)


def pairs(one: Tensor, other: Tensor) -> list[tuple[float, float]]:
    return list(zip(one.flatten().tolist(), other.flatten().tolist(), strict=True))


def test_the_formulae() -> None:
    one, other = values(0), values(1)
    both = pairs(one, other)
    absolute = sum(abs(a - b) for a, b in both) / len(both)
    squared = sum((a - b) ** 2 for a, b in both) / len(both)
    assert float(reconstruction(one, other)) == pytest.approx(absolute, rel=1e-12)
    assert float(latent_cycle(one, other)) == pytest.approx(squared, rel=1e-12)
    assert float(latent_cycle(one, other, "absolute")) == pytest.approx(absolute, rel=1e-12)
    energy = sum(a * a for a, _ in both) / len(both)
    assert float(latent_energy(one)) == pytest.approx(energy, rel=1e-12)


@pytest.mark.parametrize("kind", ["squared", "absolute"])
def test_the_latent_of_b_is_a_constant(kind: str) -> None:
    returned, latent = values(0).requires_grad_(), values(1).requires_grad_()
    loss = latent_cycle(returned, latent, kind)  # type: ignore[arg-type]
    gradients = torch.autograd.grad(loss, (returned, latent), allow_unused=True)
    assert gradients[0] is not None
    assert gradients[1] is None


def test_gradients() -> None:
    one, other = values(2).requires_grad_(), values(3)
    assert torch.autograd.gradcheck(lambda z: latent_cycle(z, other), (one,))
    assert torch.autograd.gradcheck(lambda z: reconstruction(z, other), (one,))
    assert torch.autograd.gradcheck(latent_energy, (one,))
