"""Views, pseudo-anomalies and a reference on the source, shared by the few-shot systems."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support import toy

from twofold.augmentation import augment, patch_pseudo_anomaly
from twofold.encoders.encode import EncodedImages
from twofold.methods import FitData, Found
from twofold.methods._few_shot import draw_views, pseudo_anomalies, views_of
from twofold.methods.frozen_source import FrozenSource
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


class _Recorded(FrozenSource):
    """Which images it was fitted on and scored; it leaves the folds to the base."""

    def _fit(self, data: FitData, random_state: int, progress: Any) -> Found:
        self.names_ = data.source.names
        super()._fit(data, random_state, progress)
        return Found()

    def _score(self, images: EncodedImages) -> NDArray[np.float64]:
        if len(images) != len(self.names_):  # not the check at the end of a fit
            assert not set(self.names_) & set(images.names)
        return super()._score(images)


def test_each_half_is_scored_by_a_fit_on_the_other() -> None:
    world = toy.clouds()
    rows = world.source.subset(np.arange(11))
    method = _Recorded(toy.encoder())
    reference = method.fit(FitData(rows), random_state=3).out_of_sample
    assert reference.origin == "source"
    assert reference.scores.shape == (11,)
    assert not hasattr(method, "names_")
    again, other = (method.fit(FitData(rows), random_state=state).out_of_sample for state in (3, 4))
    assert np.array_equal(reference.scores, again.scores)
    assert not np.array_equal(reference.scores, other.scores)
    inside = FrozenSource(toy.encoder()).fit(FitData(rows)).model.score(rows)
    assert (reference.scores != inside).all()
