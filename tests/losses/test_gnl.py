"""GNL's losses against loops, and their sense."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.errors import ConfigError
from twofold.losses import StudentView, flat_cosine_distance, gnl_loss

SHAPES = ((4, 6, 5), (3, 3, 3))


def maps(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def view(seed: int, n: int = 3) -> StudentView:
    decoded = tuple(maps(n, *shape, seed=10 * seed + i) for i, shape in enumerate(SHAPES))
    return StudentView(maps(n, 6, 2, 2, seed=10 * seed + 9), decoded)


def slow_distance(one: Tensor, other: Tensor) -> float:
    """Image by image, with plain sums."""

    def of_image(u: NDArray[np.float64], v: NDArray[np.float64]) -> float:
        a, b = u.ravel().tolist(), v.ravel().tolist()
        dot = sum(x * y for x, y in zip(a, b, strict=True))
        return 1 - dot / math.sqrt(sum(x * x for x in a) * sum(y * y for y in b))

    pairs = zip(one.numpy(), other.numpy(), strict=True)
    return float(np.mean([of_image(u, v) for u, v in pairs]))


def slow(
    teacher: list[Tensor], original: StudentView, others: list[StudentView], w: tuple[float, ...]
) -> float:
    pairs = zip(teacher, original.decoded, strict=True)
    ori = sum(slow_distance(t, s) for t, s in pairs)
    abstract = sum(slow_distance(original.bottleneck, other.bottleneck) for other in others)
    low = sum(slow_distance(original.decoded[0], other.decoded[0]) for other in others)
    return w[0] * ori + w[1] * abstract + w[2] * low


def test_the_distance_equals_the_loop() -> None:
    one, other = maps(4, 3, 5, 2, seed=1), maps(4, 3, 5, 2, seed=2)
    assert flat_cosine_distance(one, other).item() == pytest.approx(slow_distance(one, other))


def test_the_distance_is_of_whole_maps() -> None:
    """Per-place cosines would be 1 here; the flattened maps differ in where they are strong."""
    one = torch.tensor([[[[1.0, 0.1]]]]).expand(1, 2, 1, 2)
    other = torch.tensor([[[[0.1, 1.0]]]]).expand(1, 2, 1, 2)
    assert flat_cosine_distance(one, other).item() == pytest.approx(1 - 0.2 / 1.01, abs=1e-6)
    assert flat_cosine_distance(one, 7 * one).item() == pytest.approx(0, abs=1e-6)
    assert flat_cosine_distance(one, -one).item() == pytest.approx(2)


def test_zeros_are_at_distance_one_with_a_finite_gradient() -> None:
    one = torch.zeros(2, 3, 2, 2, requires_grad=True)
    loss = flat_cosine_distance(one, torch.ones(2, 3, 2, 2))
    torch.autograd.backward(loss)
    assert loss.item() == 1
    assert one.grad is not None
    assert torch.isfinite(one.grad).all()


@pytest.mark.parametrize("weights", [(0.9, 0.05, 0.05), (1.0, 0.0, 0.0), (0.0, 2.0, 3.0)])
def test_equals_the_loops(weights: tuple[float, float, float]) -> None:
    teacher = [maps(3, *shape, seed=i) for i, shape in enumerate(SHAPES)]
    original, others = view(1), [view(2), view(3)]
    loss = gnl_loss(teacher, original, others, weights)
    assert loss.ndim == 0
    assert loss.item() == pytest.approx(slow(teacher, original, others, weights))


def test_the_released_weights_are_the_default() -> None:
    teacher = [maps(3, *shape, seed=i) for i, shape in enumerate(SHAPES)]
    loss = gnl_loss(teacher, view(1), [view(2)])
    assert loss.item() == gnl_loss(teacher, view(1), [view(2)], (0.9, 0.05, 0.05)).item()


def test_a_perfect_student_that_sees_no_style_costs_nothing() -> None:
    perfect = view(1)
    assert gnl_loss(perfect.decoded, perfect, [perfect, perfect]).item() == pytest.approx(0)


def test_only_the_finest_level_of_other_versions_counts() -> None:
    teacher = [maps(3, *shape, seed=i) for i, shape in enumerate(SHAPES)]
    other = view(2)
    changed = other._replace(decoded=(other.decoded[0], other.decoded[1] + 1))
    assert gnl_loss(teacher, view(1), [other]) == gnl_loss(teacher, view(1), [changed])
    changed = other._replace(decoded=(other.decoded[0] + 1, other.decoded[1]))
    assert gnl_loss(teacher, view(1), [other]) != gnl_loss(teacher, view(1), [changed])


def test_gradients_reach_every_version() -> None:
    teacher = [maps(3, *shape, seed=i) for i, shape in enumerate(SHAPES)]
    views = [view(1), view(2)]
    leaves = [v.bottleneck.requires_grad_() for v in views]
    leaves += [v.decoded[0].requires_grad_() for v in views]
    torch.autograd.backward(gnl_loss(teacher, views[0], views[1:]))
    assert all(leaf.grad is not None and leaf.grad.abs().sum() > 0 for leaf in leaves)


def test_maps_that_do_not_fit() -> None:
    original = view(1)
    with pytest.raises(ConfigError, match="1 teacher levels, 2 decoded"):
        gnl_loss(original.decoded[:1], original, [])
    with pytest.raises(ConfigError, match="shapes"):
        gnl_loss(original.decoded[::-1], original, [])


def test_half_precision_is_computed_in_single() -> None:
    one, other = (maps(4, 3, 5, 2, seed=s).half() for s in (1, 2))
    assert flat_cosine_distance(one, other).dtype == torch.float32
