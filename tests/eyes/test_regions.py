"""Regions of maps, and the threshold on their peaks."""

from __future__ import annotations

from collections import deque
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.eyes import RegionScale, find_spots, region_scale

Array = NDArray[np.float64]


def flooded(grid: Array, level: float) -> list[tuple[Any, ...]]:
    """Regions by a search from place to place."""
    left = {(int(r), int(c)) for r, c in np.argwhere(grid > level)}
    found = []
    while left:
        todo, own = deque([left.pop()]), []
        while todo:
            r, c = todo.popleft()
            own.append((r, c))
            for down in (-1, 0, 1):
                for right in (-1, 0, 1):
                    near = (r + down, c + right)
                    if near in left:
                        left.remove(near)
                        todo.append(near)
        rows, columns = zip(*own, strict=True)
        peak = max(grid[r, c] for r, c in own)
        found.append(((min(rows), max(rows) + 1), (min(columns), max(columns) + 1), len(own), peak))
    return sorted(found, key=lambda one: -one[3])


def maps(n: int = 60, seed: int = 0, shape: tuple[int, int] = (9, 12)) -> Array:
    return np.random.default_rng(seed).normal(size=(n, *shape))


@pytest.mark.parametrize("level", [-5.0, 0.0, 1.0, 2.0, 9.0])
def test_regions_are_those_of_a_search(level: float) -> None:
    for grid in maps(5):
        found = [(s.rows, s.columns, s.places, s.peak) for s in find_spots(grid, level)]
        assert found == flooded(grid, level)


def test_the_level_leaves_one_region_an_image_and_the_peaks_are_those_of_each_image() -> None:
    given = maps()
    scale = region_scale(given)
    counts = [len(find_spots(grid, scale.level)) for grid in given]
    assert 0.7 * len(given) <= sum(counts) <= len(given)
    peaks = sorted((s.peak for grid in given for s in find_spots(grid, scale.level)), reverse=True)
    assert scale.peaks == tuple(peaks)
    assert scale.n_images == len(given)


@pytest.mark.slow
@pytest.mark.parametrize("rate", [0.05, 0.2, 0.5])
def test_the_stated_number_of_false_regions_is_kept_on_average(rate: float) -> None:
    """Over many draws of the normal images; a cross-check on new ones."""
    counts = []
    for seed in range(120):
        scale = region_scale(maps(40, seed))
        threshold = scale.threshold(rate)
        new = maps(25, seed + 1000)
        counts.append(
            np.mean(
                [sum(s.peak > threshold for s in find_spots(grid, scale.level)) for grid in new]
            )
        )
    error = np.std(counts) / np.sqrt(len(counts))
    assert rate - 1 / 40 - 3 * error < np.mean(counts) < rate + 3 * error


def test_a_rate_that_the_images_cannot_support_takes_the_largest_peak() -> None:
    scale = RegionScale(0.5, 20, (5.0, 4.0, 1.0))
    assert not scale.supports(0.04)
    assert scale.threshold(0.04) == 5.0
    assert scale.supports(0.05)
    assert [scale.threshold(rate) for rate in (0.05, 0.1, 0.15)] == [5.0, 4.0, 1.0]
    # More than there are: whatever makes up a region.
    assert scale.threshold(1.0) == 0.5
    assert RegionScale(0.5, 20, ()).threshold(0.1) == 0.5


def test_maps_without_any_difference_have_no_regions() -> None:
    scale = region_scale(np.zeros((4, 3, 3)))
    assert scale.peaks == ()
    assert find_spots(np.zeros((3, 3)), scale.level) == ()


def test_as_an_array_and_back() -> None:
    scale = region_scale(maps())
    assert RegionScale.from_array(scale.to_array()) == scale


@pytest.mark.parametrize(
    "array",
    [
        [0.5],
        [[0.5, 3.0]],
        [0.5, 0.0],
        [0.5, 2.5],
        [0.5, 3.0, 1.0, 2.0],
        [np.nan, 3.0],
        [0.5, np.inf],
    ],
    ids=str,
)
def test_arrays_that_are_no_scale(array: Any) -> None:
    with pytest.raises(ValueError, match="regions"):
        RegionScale.from_array(np.array(array))
