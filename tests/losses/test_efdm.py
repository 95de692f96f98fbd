"""Exact feature distribution matching against loops over channels and ranks."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor

from twofold.errors import ConfigError
from twofold.losses import match_distribution


def maps(*shape: int, seed: int) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, generator=generator, dtype=torch.float64)


def slow(values: Tensor, reference: Tensor, keep: float) -> Tensor:
    """Each image, each channel, each rank."""
    moved = values.clone()
    n, c, h, w = values.shape
    for image in range(n):
        for channel in range(c):
            own = values[image, channel].flatten().tolist()
            wanted = sorted(reference[channel].flatten().tolist())
            order = sorted(range(h * w), key=lambda place: (own[place], place))
            for rank, place in enumerate(order):
                value = own[place] + (1 - keep) * (wanted[rank] - own[place])
                moved[image, channel, place // w, place % w] = value
    return moved


@pytest.mark.parametrize("keep", [0.0, 0.3, 0.5, 1.0])
@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (3, 2, 4, 5), (2, 5, 3, 3)])
def test_equals_the_loops(shape: tuple[int, ...], keep: float) -> None:
    values, reference = maps(*shape, seed=1), maps(*shape[1:], seed=2) * 3 + 1
    expected = slow(values, reference, keep)
    torch.testing.assert_close(match_distribution(values, reference, keep), expected)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_keeping_all_is_the_identity(dtype: torch.dtype) -> None:
    values = maps(3, 4, 6, 5, seed=1).to(dtype)
    matched = match_distribution(values, maps(4, 6, 5, seed=2).to(dtype) * 1e3, 1.0)
    assert torch.equal(matched, values)


def test_keeping_nothing_gives_the_references_values_in_the_images_order() -> None:
    values, reference = maps(2, 3, 4, 4, seed=1), maps(3, 4, 4, seed=2)
    matched = match_distribution(values, reference, 0.0)
    for image in range(2):
        torch.testing.assert_close(
            matched[image].flatten(1).sort().values, reference.flatten(1).sort().values
        )
        assert torch.equal(matched[image].flatten(1).argsort(), values[image].flatten(1).argsort())


def test_the_reference_itself_stays_as_it_is() -> None:
    reference = maps(3, 4, 4, seed=2)
    torch.testing.assert_close(match_distribution(reference[None], reference, 0.5)[0], reference)


def test_places_of_the_reference_do_not_matter() -> None:
    values, reference = maps(2, 3, 4, 4, seed=1), maps(3, 4, 4, seed=2)
    turned = reference.flip(1, 2)
    assert torch.equal(match_distribution(values, reference), match_distribution(values, turned))


def test_an_image_is_matched_by_itself() -> None:
    values, reference = maps(5, 3, 4, 4, seed=1), maps(3, 4, 4, seed=2)
    whole = match_distribution(values, reference)
    alone = torch.cat([match_distribution(values[i : i + 1], reference) for i in range(5)])
    assert torch.equal(whole, alone)


def test_equal_values_are_ranked_by_position() -> None:
    """Behind a ReLU most values are 0: their order must not be left to chance."""
    values = torch.zeros(1, 1, 2, 2)
    reference = torch.tensor([[[3.0, 1.0], [2.0, 4.0]]])
    matched = match_distribution(values, reference, 0.0)
    assert matched.flatten().tolist() == [1, 2, 3, 4]


def test_inputs_are_left_alone() -> None:
    values, reference = maps(2, 3, 4, 4, seed=1), maps(3, 4, 4, seed=2)
    before = values.clone(), reference.clone()
    match_distribution(values, reference)
    assert torch.equal(values, before[0])
    assert torch.equal(reference, before[1])


@pytest.mark.parametrize("keep", [-0.1, 1.1, float("nan")])
def test_an_impossible_share(keep: float) -> None:
    with pytest.raises(ConfigError, match=r"0\.\.1"):
        match_distribution(maps(1, 1, 2, 2, seed=1), maps(1, 2, 2, seed=2), keep)


@pytest.mark.parametrize("shape", [(1, 2, 3), (2, 2, 2), (1, 1, 2, 2)])
def test_another_shape(shape: tuple[int, ...]) -> None:
    with pytest.raises(ConfigError, match="does not match maps"):
        match_distribution(maps(1, 1, 2, 2, seed=1), maps(*shape, seed=2))


def test_channels_last_memory_makes_no_difference() -> None:
    values, reference = maps(2, 3, 4, 5, seed=1), maps(3, 4, 5, seed=2)
    last = values.contiguous(memory_format=torch.channels_last)
    assert np.array_equal(
        match_distribution(values, reference).numpy(), match_distribution(last, reference).numpy()
    )
