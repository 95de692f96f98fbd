"""Small maps of images, against a double loop."""

from __future__ import annotations

import math

import numpy as np
import pytest

from twofold.report.looking import MAP_SIDE, small_grid


@pytest.mark.parametrize("shape", [(14, 14), (40, 40), (41, 80), (80, 30), (1, 1), (200, 3)])
def test_a_small_map_keeps_the_hottest_of_each_block(shape: tuple[int, int]) -> None:
    grid = np.random.default_rng(0).normal(size=shape) * 3
    found = small_grid(grid, 0.5, 4.0)
    assert max(found.shape) <= MAP_SIDE
    step = math.ceil(max(shape) / MAP_SIDE)
    for row in range(found.shape[0]):
        for column in range(found.shape[1]):
            block = grid[row * step : (row + 1) * step, column * step : (column + 1) * step]
            part = min(max((block.max() - 0.5) / 3.5, 0.0), 1.0)
            assert found[row, column] == round(255 * math.sqrt(part))
