"""Localisation metrics against scikit-learn and against a literal loop over the thresholds."""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import label
from sklearn.metrics import roc_auc_score

from twofold.benchmark.pixel_metrics import pixel_auroc, pro
from twofold.errors import ConfigError, UsageError

Array = NDArray[np.float64]
Mask = NDArray[np.bool_]
LIMITS = [0.01, 0.05, 0.3, 0.777, 1.0]


def blobs(state: int, images: int = 4, side: int = 12) -> Mask:
    """Masks with several regions of 1 to 16 px, some touching at corners; the last is empty."""
    rng = np.random.default_rng(state)
    masks = np.zeros((images, side, side), dtype=bool)
    for mask in masks[:-1]:
        for _ in range(rng.integers(1, 5)):
            row, column, height, width = *rng.integers(0, side, 2), *rng.integers(1, 5, 2)
            mask[row : row + height, column : column + width] = True
    return masks


def scores(masks: Mask, state: int, levels: int | None) -> Array:
    """Random maps, somewhat larger on defects; of few distinct values where levels is given."""
    values = np.random.default_rng(1000 + state).normal(0, 1, masks.shape) + 0.8 * masks
    return values if levels is None else np.round(values * levels)


def literal_pro(maps: Array, masks: Mask, limit: float) -> float:
    """One threshold after the other, region by region; the area piece by piece."""
    regions: list[Array] = []
    for index, mask in enumerate(masks):
        numbers, count = label(mask, np.ones((3, 3)))
        regions += [maps[index][numbers == number] for number in range(1, count + 1)]
    curve = [(0.0, 0.0)]
    for threshold in np.unique(maps)[::-1]:
        alarms = (maps[~masks] >= threshold).mean()
        curve.append((alarms, np.mean([(region >= threshold).mean() for region in regions])))
    area = 0.0
    for (x0, y0), (x1, y1) in pairwise(curve):
        if x1 <= limit:
            area += (x1 - x0) * (y0 + y1) / 2
        else:
            at_limit = y0 + (y1 - y0) * (limit - x0) / (x1 - x0)
            area += (limit - x0) * (y0 + at_limit) / 2
            break
    return area / limit


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("state", range(8))
def test_pro_equals_the_literal_loop(state: int, levels: int | None) -> None:
    masks = blobs(state)
    maps = scores(masks, state, levels)
    for limit in LIMITS:
        wanted = literal_pro(maps, masks, limit)
        assert pro(maps, masks, max_fpr=limit) == pytest.approx(wanted, abs=1e-12)
    assert pro(maps, masks) == pro(maps, masks, max_fpr=0.3)


@pytest.mark.parametrize("levels", [None, 1, 3])
@pytest.mark.parametrize("state", range(8))
def test_pixel_auroc_equals_scikit_learn(state: int, levels: int | None) -> None:
    masks = blobs(state)
    maps = scores(masks, state, levels)
    wanted = roc_auc_score(masks.ravel(), maps.ravel())
    assert pixel_auroc(maps, masks) == pytest.approx(wanted, abs=1e-12)


def test_known_maps() -> None:
    masks = blobs(0)
    perfect = masks.astype(np.float64)
    assert pixel_auroc(perfect, masks) == 1
    assert pixel_auroc(-perfect, masks) == 0
    assert pixel_auroc(np.ones(masks.shape), masks) == 0.5
    for limit in LIMITS:
        assert pro(perfect, masks, max_fpr=limit) == 1
        constant = pro(np.ones(masks.shape), masks, max_fpr=limit)
        assert constant == pytest.approx(limit / 2, abs=1e-12)
        assert pro(-perfect, masks, max_fpr=limit) == 0


def test_every_region_counts_alike() -> None:
    masks = np.zeros((1, 20, 20), dtype=bool)
    masks[0, :8, :8] = True
    masks[0, 15, 15] = True
    found_small, found_large = np.zeros(masks.shape), np.zeros(masks.shape)
    found_small[0, 15, 15] = 1
    found_large[0, :8, :8] = 1
    assert pro(found_small, masks) == pytest.approx(pro(found_large, masks), abs=1e-12)
    assert pixel_auroc(found_small, masks) < pixel_auroc(found_large, masks)


def test_corners_connect_and_images_do_not() -> None:
    corner = np.zeros((1, 4, 4), dtype=bool)
    corner[0, 0, 0] = corner[0, 1, 1] = corner[0, 2, 1] = True
    maps = np.zeros(corner.shape)
    maps[0, 0, 0] = 1
    # One region of three, a third of it found at no alarm: 1/3 there, 1 at the end.
    assert pro(maps, corner, max_fpr=1) == pytest.approx((1 / 3 + 1) / 2, abs=1e-12)
    stacked = np.zeros((2, 4, 4), dtype=bool)
    stacked[:, 0, 0] = stacked[0, 0, 1] = True
    maps = np.zeros(stacked.shape)
    maps[1, 0, 0] = 1
    assert pro(maps, stacked, max_fpr=1) == pytest.approx((1 / 2 + 1) / 2, abs=1e-12)


def test_scale_and_precision_of_the_scores_do_not_matter() -> None:
    masks = blobs(3)
    maps = scores(masks, 3, 5).astype(np.float32)
    for metric in (pixel_auroc, pro):
        assert metric(maps * 1024 - 4096, masks) == metric(maps.astype(np.float64), masks)


def test_arguments_are_left_alone() -> None:
    masks = blobs(1)
    maps = scores(masks, 1, None)
    copies = maps.copy(), masks.copy()
    pixel_auroc(maps, masks)
    pro(maps, masks)
    assert np.array_equal(maps, copies[0])
    assert np.array_equal(masks, copies[1])


MASKS = blobs(0)
MAPS = np.zeros(MASKS.shape)
NAN = np.where(MASKS, np.nan, 0.0)


@pytest.mark.parametrize(
    ("maps", "masks", "message"),
    [
        (MAPS, np.zeros_like(MASKS), "at least one normal and one anomalous pixel"),
        (MAPS, np.ones_like(MASKS), "at least one normal and one anomalous pixel"),
        (MAPS[:0], MASKS[:0], "at least one normal and one anomalous pixel"),
        (MAPS[:2], MASKS, "wanted the same (n, h, w)"),
        (MAPS[0], MASKS[0], "wanted the same (n, h, w)"),
        (MAPS, MASKS.astype(np.uint8), "wanted bool"),
        (NAN, MASKS, "NaN"),
    ],
)
def test_what_makes_no_sense_is_refused(maps: Any, masks: Any, message: str) -> None:
    for metric in (pixel_auroc, pro):
        with pytest.raises(UsageError, match=re.escape(message)):
            metric(maps, masks)


@pytest.mark.parametrize("limit", [0, -0.3, 1.01, float("nan")])
def test_an_impossible_limit_is_refused(limit: float) -> None:
    with pytest.raises(ConfigError, match="max_fpr"):
        pro(scores(MASKS, 0, None), MASKS, max_fpr=limit)
