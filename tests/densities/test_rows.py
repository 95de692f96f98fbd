"""Normalised rows and products in blocks."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays
from numpy.typing import NDArray
from tests.densities.cases import Array, normal

from twofold.densities import (
    FarRows,
    blocks,
    evenly,
    in_blocks,
    made_rows,
    mean_of,
    power_normalise,
    same_in_few,
    unit_rows,
)

any_rows = arrays(
    np.float64,
    array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=6),
    # Squares of these neither vanish nor overflow.
    elements=st.one_of(st.just(0.0), st.floats(1e-100, 1e100), st.floats(-1e100, -1e-100)),
)


@given(any_rows)
def test_unit_rows_have_length_one_or_are_zero(rows: Array) -> None:
    result = unit_rows(rows)
    lengths = np.linalg.norm(result, axis=1)
    np.testing.assert_allclose(lengths, rows.any(axis=1).astype(float), atol=1e-12)
    assert result.dtype == np.float64
    assert (np.sign(result) * np.sign(rows) >= 0).all()


@given(any_rows, st.floats(1e-3, 1e3))
def test_power_normalisation_ignores_contrast(rows: Array, factor: float) -> None:
    result = power_normalise(rows)
    np.testing.assert_allclose(power_normalise(factor * rows), result, atol=1e-9)
    lengths = np.linalg.norm(result, axis=1)
    np.testing.assert_allclose(lengths, rows.any(axis=1).astype(float), atol=1e-12)


@given(any_rows)
def test_squares_of_power_normalised_rows_are_shares(rows: Array) -> None:
    sums = np.abs(rows).sum(axis=1, keepdims=True)
    shares = np.abs(rows) / np.where(sums > 0, sums, 1.0)
    result = power_normalise(rows)
    np.testing.assert_allclose(result * np.abs(result), np.sign(rows) * shares, atol=1e-9)


@pytest.mark.parametrize("function", [unit_rows, power_normalise])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_normalisation_happens_in_double_precision(
    function: Callable[[NDArray[np.floating]], Array], dtype: type[np.floating]
) -> None:
    rows = np.array([[3.0, 4.0], [0.0, 0.0]], dtype=dtype)
    result = function(rows)
    assert result.dtype == np.float64
    np.testing.assert_array_equal(result[1], [0.0, 0.0])
    assert np.linalg.norm(result[0]) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("n", [0, 1, 63, 64, 65, 200])
def test_blocks_have_one_shape_and_give_each_row_its_value(n: int) -> None:
    rows, shapes = normal(n, 7), []

    def total(block: Array) -> Array:
        shapes.append(block.shape)
        return np.asarray(block.sum(axis=1))

    values = in_blocks(total, rows)
    assert values.dtype == np.float64
    np.testing.assert_allclose(values, rows.sum(axis=1))
    assert set(shapes) <= {(64, 7)}


def test_a_row_in_blocks_has_the_same_bits_whatever_is_beside_it() -> None:
    rows, weights = normal(150, 40), np.random.default_rng(1).normal(size=(40, 40))

    def product(block: Array) -> Array:
        return np.asarray((block @ weights).sum(axis=1))

    whole = in_blocks(product, rows)
    for size in (1, 2, 7, 65):
        assert np.array_equal(in_blocks(product, rows[-size:]), whole[-size:])


def test_rows_that_are_not_held_are_read_as_an_array_is(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = np.random.default_rng(0).normal(size=(23, 3))
    monkeypatch.setattr("twofold.densities.rows._HELD", 23 * 3 * 8 - 1)
    monkeypatch.setattr("twofold.densities.rows._MADE", 5)
    far = made_rows(whole.__getitem__, 23, 3)
    assert isinstance(far, FarRows)
    assert (len(far), far.shape) == (23, (23, 3))
    chosen = whole[:, 0] > 0
    for rows in (slice(3, 9), np.array([4, 0, 4]), chosen):
        np.testing.assert_array_equal(far[rows], whole[rows])
    np.testing.assert_array_equal(np.concatenate(list(blocks(far))), whole)
    np.testing.assert_array_equal(np.concatenate(list(blocks(far, chosen))), whole[chosen])
    assert max(len(block) for block in blocks(far)) == 5
    np.testing.assert_allclose(mean_of(far, chosen), whole[chosen].mean(axis=0), rtol=1e-12)
    np.testing.assert_array_equal(
        in_blocks(lambda block: block @ whole[0], far),
        in_blocks(lambda block: block @ whole[0], whole),
    )


@pytest.mark.parametrize(("n", "most"), [(0, 3), (3, 3), (10, 3), (1000, 7), (5, 1)])
def test_rows_are_spread_evenly(n: int, most: int) -> None:
    rows = evenly(n, most)
    assert len(rows) == len(set(rows.tolist())) == min(n, most)
    if n:
        assert rows[0] == 0
    if most > 1 and n:
        assert rows[-1] == n - 1
        assert np.ptp(np.diff(rows)) <= 1


def test_few_rows_are_held() -> None:
    whole = np.random.default_rng(0).normal(size=(23, 3))
    assert isinstance(made_rows(whole.__getitem__, 23, 3), np.ndarray)
    assert next(blocks(whole)) is whole
    assert not list(blocks(whole[:0]))


@pytest.mark.parametrize("n", [1, 8, 9, 64, 70, 130])
def test_few_rows_make_a_small_block_with_the_same_bits(n: int) -> None:
    weights, rows = np.random.default_rng(1).normal(size=(30, 1280)), normal(n, 1280)
    shapes = []

    def product(block: Array) -> Array:
        shapes.append(len(block))
        return np.asarray(np.square(block @ weights.T).sum(axis=1))

    expected = in_blocks(product, rows)
    shapes.clear()
    np.testing.assert_array_equal(in_blocks(product, rows, width=30), expected)
    few = same_in_few(1280, 30)
    assert shapes == [64] * ((n - 1) // 64) + [8 if few and 1 <= (n - 1) % 64 + 1 <= 8 else 64]
