"""Outlines have exactly as many pixels as asked, wherever they lie."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.synthetic.outlines import _depths, curve, rectangle, star

Outline = Callable[[tuple[int, int], int, np.random.Generator], NDArray[np.float64]]


@pytest.mark.parametrize("outline", [curve, rectangle, star])
@pytest.mark.parametrize("shape", [(16, 16), (33, 20), (16, 90)])
def test_the_number_of_pixels_is_met(outline: Outline, shape: tuple[int, int]) -> None:
    for state, n in enumerate([1, 2, 3, 7, 20, 60, 128]):
        depths = outline(shape, n, np.random.default_rng(state))
        assert depths.dtype == np.float64
        assert depths.shape == shape
        assert depths.min() == 0
        assert (depths < 1).sum() == n


def test_a_line_stays_inside_the_image() -> None:
    for state in range(100):  # else it would be short and thick
        depths = curve((64, 64), 120, np.random.default_rng(state))
        rows, columns = np.nonzero(depths < 1)
        assert np.hypot(np.ptp(rows), np.ptp(columns)) > 28, state


def test_the_nearest_pixels_are_ranked_as_by_sorting_all_of_them() -> None:
    rng = np.random.default_rng(0)
    for n in (1, 7, 60, 120):
        distance = rng.integers(0, 9, (10, 12)).astype(np.float64)  # many are equal
        ranks = np.empty(120)
        ranks[np.argsort(distance, axis=None, kind="stable")] = np.arange(120)
        expected = np.where(ranks < n, ranks / n, 1.0).reshape(10, 12)
        assert np.array_equal(_depths(distance, n), expected)
