"""Moments of parts, merged and taken off, against NumPy on the whole and slow loops."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.densities import Moments, fit_adapted_gaussian, fit_gaussian, gaussian_of, merged

Array = NDArray[np.float64]


def rows(n: int, d: int, seed: int, offset: float = 0.0) -> Array:
    return np.random.default_rng(seed).gamma(2.0, size=(n, d)) + offset


def assert_same(found: Moments, expected: Moments, rtol: float) -> None:
    assert found.n == expected.n
    for name in ("mean", "second", "third", "fourth"):
        wanted = getattr(expected, name)
        scale = float(np.abs(wanted).max())
        np.testing.assert_allclose(getattr(found, name), wanted, rtol=rtol, atol=rtol * scale)


def test_moments_are_those_of_a_loop() -> None:
    data = rows(40, 5, 0)
    found, mean = Moments.of(data), data.mean(axis=0)
    second, third, fourth = np.zeros((5, 5)), np.zeros(5), 0.0
    for row in data:
        z = row - mean
        for i in range(5):
            for j in range(5):
                second[i, j] += z[i] * z[j]
        third += (z @ z) * z
        fourth += (z @ z) ** 2
    assert_same(found, Moments(40, mean, second, third, np.asarray(fourth)), 1e-12)
    np.testing.assert_allclose(found.second / 39, np.cov(data.T), rtol=1e-12)
    assert float(found.squares) == pytest.approx(float(np.square(data - mean).sum()))


# A mean a thousand spreads from the origin: sums of squares around it would keep ten digits fewer.
@pytest.mark.parametrize("offset", [0.0, 1000.0])
@pytest.mark.parametrize("seed", range(6))
def test_any_partition_in_any_order_gives_the_same(seed: int, offset: float) -> None:
    data, generator = rows(300, 7, seed, offset), np.random.default_rng(seed)
    order = generator.permutation(300)
    cuts = np.sort(generator.integers(0, 300, size=int(generator.integers(1, 40))))
    # Empty parts, single rows and unequal ones among them.
    parts = [Moments.of(part) for part in np.split(data[order], cuts)]
    generator.shuffle(parts)
    assert_same(merged(parts), Moments.of(data), 1e-9)
    # As a tree, as machines would do it.
    while len(parts) > 1:
        parts = [merged(parts[at : at + 2]) for at in range(0, len(parts), 2)]
    assert_same(parts[0], Moments.of(data), 1e-9)


@pytest.mark.parametrize("offset", [0.0, 1000.0])
def test_what_was_merged_can_be_taken_off(offset: float) -> None:
    data = rows(200, 6, 3, offset)
    part = np.random.default_rng(1).random(200) < 0.3
    whole, taken = Moments.of(data), Moments.of(data[part])
    assert_same(whole.without(taken), Moments.of(data[~part]), 1e-8)
    nothing = whole.without(whole)
    assert nothing.n == 0
    assert_same(nothing.merged(whole), whole, 1e-15)
    assert_same(whole.without(nothing), whole, 1e-15)


def test_several_sets_are_merged_side_by_side() -> None:
    data = np.stack([rows(50, 4, seed) for seed in range(3)])
    halves = [[Moments.of(own[part]) for own in data] for part in (slice(0, 20), slice(20, None))]
    stacked = [
        Moments(
            own[0].n,
            *(
                np.stack([getattr(one, name) for one in own])
                for name in ("mean", "second", "third", "fourth")
            ),
        )
        for own in halves
    ]
    found = merged(stacked)
    for place, own in enumerate(data):
        expected = Moments.of(own)
        np.testing.assert_allclose(found.second[place], expected.second, rtol=1e-11)
        np.testing.assert_allclose(found.third[place], expected.third, rtol=1e-9)
        assert found.fourth[place] == pytest.approx(float(expected.fourth))


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_a_model_of_merged_moments_is_that_of_the_rows(weight: float) -> None:
    source, pool, test = rows(90, 20, 1, 5.0), rows(70, 20, 2), rows(30, 20, 3)
    moments = [
        merged(Moments.of(part) for part in np.array_split(data, 9)) for data in (pool, source)
    ]
    found = gaussian_of(*moments, source_weight=weight)
    expected = fit_adapted_gaussian(source, pool, source_weight=weight)
    np.testing.assert_allclose(
        found.squared_distances(test), expected.squared_distances(test), rtol=1e-6
    )
    alone = gaussian_of(moments[0]).squared_distances(test)
    np.testing.assert_allclose(alone, fit_gaussian(pool).squared_distances(test), rtol=1e-6)
