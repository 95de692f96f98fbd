"""Views and pseudo-anomalies, as the few-shot systems draw them."""

from __future__ import annotations

import numpy as np
import pytest
from tests.support import toy

from twofold.augmentation import (
    augment,
    draw_views,
    patch_pseudo_anomaly,
    pseudo_anomalies,
    views_of,
)
from twofold.training import local_generator

IMAGES = toy.normals(3, 0)


def test_views_are_those_of_each_image_in_turn() -> None:
    views = views_of(IMAGES.astype(np.float32), 2, "msra", np.random.default_rng(4))
    generator = np.random.default_rng(4)
    expected = [augment(image, "msra", generator) for image in IMAGES for _ in range(2)]
    assert views.dtype == np.uint8
    assert np.array_equal(views, np.stack(expected))


@pytest.mark.parametrize(("n", "quota"), [(10, 10), (4, 10), (1, 3), (20, 10)])
def test_a_batch_has_every_image_as_often(n: int, quota: int) -> None:
    generator = local_generator(0)
    batches = [draw_views(n, 6, quota, generator) for _ in range(100)]
    for rows in batches:
        counts = np.bincount(rows // 6, minlength=n)
        assert counts.sum() == quota
        assert counts.max() - counts.min() <= 1
    assert set(np.concatenate(batches)) == set(range(6 * n))
    # With one view the rows are the images.
    assert set(draw_views(n, 1, 10 * n, generator)) == set(range(n))


def test_a_pseudo_anomaly_of_each() -> None:
    made = pseudo_anomalies(IMAGES, (16, 72), np.random.default_rng(4))
    generator = np.random.default_rng(4)
    expected = [patch_pseudo_anomaly(image, generator, (16, 72)) for image in IMAGES]
    assert np.array_equal(made, np.stack(expected))
