"""Overlap of latents and distance of images against loops."""

from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from twofold.losses import latent_overlap, mean_distance


def rows(n: int, d: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(n, d, generator=generator, dtype=torch.float64)


def pair_loop(one: Tensor, other: Tensor) -> float:
    total = 0.0
    for u in one.tolist():
        for v in other.tolist():
            product = sum(a * b for a, b in zip(u, v, strict=True))
            lengths = math.sqrt(sum(a * a for a in u)) * math.sqrt(sum(b * b for b in v))
            total += (product / lengths) ** 2
    return math.sqrt(total)


@pytest.mark.parametrize(("n", "m"), [(1, 1), (4, 7), (9, 2)])
def test_overlap_is_the_norm_of_all_cosines(n: int, m: int) -> None:
    one, other = rows(n, 5, 0), rows(m, 5, 1)
    found = float(latent_overlap(one, other))
    assert found == pytest.approx(pair_loop(one, other), rel=1e-9)
    assert float(latent_overlap(other, 7 * one)) == pytest.approx(found, rel=1e-9)
    assert 0 <= found <= math.sqrt(n * m)


def test_the_ends_of_the_overlap() -> None:
    axis = torch.eye(4, dtype=torch.float64)
    assert float(latent_overlap(axis[:2], axis[2:])) == 0.0
    assert float(latent_overlap(axis[:1].repeat(3, 1), -axis[:1].repeat(5, 1))) == pytest.approx(
        math.sqrt(15)
    )
    still = torch.zeros(3, 4, requires_grad=True)
    (gradient,) = torch.autograd.grad(latent_overlap(still, torch.zeros(3, 4)), still)
    assert torch.isfinite(gradient).all()


def test_gradients() -> None:
    one, other = rows(3, 4, 2).requires_grad_(), rows(5, 4, 3).requires_grad_()
    assert torch.autograd.gradcheck(latent_overlap, (one, other))
    images = rows(3, 4, 4).reshape(3, 2, 2).requires_grad_()
    assert torch.autograd.gradcheck(mean_distance, (images, rows(3, 4, 5).reshape(3, 2, 2)))


def test_mean_distance_is_not_squared() -> None:
    images, rebuilt = rows(6, 8, 6), rows(6, 8, 7)
    wanted = 0.0
    for one, other in zip(images.tolist(), rebuilt.tolist(), strict=True):
        wanted += math.sqrt(sum((a - b) ** 2 for a, b in zip(one, other, strict=True))) / 6
    found = mean_distance(images.reshape(6, 2, 2, 2), rebuilt.reshape(6, 2, 2, 2))
    assert float(found) == pytest.approx(wanted, rel=1e-12)
