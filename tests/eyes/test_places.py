"""Patches of many images, read block by block, against the same in memory."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.encoders.disk_rows import DiskRows, RowSink
from twofold.eyes import (
    FarPlaces,
    PatchParts,
    as_places,
    choose_source_weight,
    filled,
    fit_patch_gaussians,
    fit_trimmed_patches,
    most_like_source,
    patch_moments,
    top_mean,
)
from twofold.eyes.places import image_blocks, largest

Floats = NDArray[np.float32]
PATCHES = np.random.default_rng(0).gamma(2.0, size=(61, 6, 3, 4)).astype(np.float32)
ROWS = np.random.default_rng(1).random(61) < 0.6


@pytest.fixture(params=["in memory", "on disk"])
def far(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Any:
    """What stands for the patches by place; blocks of seven images."""
    monkeypatch.setattr("twofold.eyes.places._HELD", 4 * PATCHES.size - 1)
    monkeypatch.setattr("twofold.eyes.places._BLOCK", 7 * 4 * PATCHES[0].size)
    given: Any = PATCHES
    if request.param == "on disk":
        monkeypatch.setattr("twofold.encoders.disk_rows._IN_MEMORY", 0)
        sink = RowSink(len(PATCHES))
        for row in PATCHES:
            sink.append(row)
        given = sink.rows()
        assert isinstance(given, DiskRows)
    places = as_places(given)
    assert isinstance(places, FarPlaces)
    return places


@pytest.fixture
def near() -> Floats:
    return PATCHES.reshape(61, 6, 12).transpose(2, 0, 1).copy()


def test_few_patches_are_an_array(near: Floats) -> None:
    np.testing.assert_array_equal(as_places(PATCHES), near)


def test_blocks_are_of_the_images_that_are_wanted(far: Any, near: Floats) -> None:
    assert far.shape == near.shape
    found = list(image_blocks(far, ROWS))
    assert max(len(block.rows) for block in found) == 7
    np.testing.assert_array_equal(np.concatenate([b.rows for b in found]), np.flatnonzero(ROWS))
    for block in found:
        np.testing.assert_array_equal(block.at(slice(2, 5)), near[2:5, block.rows])
    assert not list(image_blocks(far, ROWS & ~ROWS))
    assert largest(far) == near.max()


@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize("rows", [None, ROWS], ids=["all", "some"])
def test_moments_are_the_same_however_they_are_read(
    far: Any, near: Floats, rows: Any, shared: bool
) -> None:
    found, expected = (patch_moments(places, rows, shared=shared) for places in (far, near))
    assert found.n == expected.n
    for name in ("mean", "covariance", "fourth"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=2e-6, atol=2e-6
        )


def test_parts_can_be_taken_off(far: Any, near: Floats) -> None:
    fold = np.random.default_rng(2).random(61) < 0.3
    found = PatchParts.of(far, ROWS).without(fold)
    expected = patch_moments(near, ROWS & ~fold)
    for name in ("mean", "covariance", "fourth"):
        np.testing.assert_allclose(
            getattr(found, name), getattr(expected, name), rtol=1e-5, atol=1e-5
        )


def test_distances_and_scores(far: Any, near: Floats) -> None:
    model = fit_patch_gaussians(patch_moments(near))
    np.testing.assert_allclose(model.of_places(far), model.of_places(near), rtol=1e-6)
    np.testing.assert_allclose(model.of_places(far, ROWS), model.of_places(near)[ROWS], rtol=1e-6)
    scores = top_mean(model.of_places(near))
    np.testing.assert_allclose(model.scores_of_places(far), scores, rtol=1e-6)
    assert model.of_places(far, ROWS & ~ROWS).shape == (0, 12)


def test_robust_fits_keep_the_same_images(far: Any, near: Floats) -> None:
    source = patch_moments(near, ~ROWS)
    (one, kept), (other, same) = (
        fit_trimmed_patches(source, places, trim=0.25) for places in (far, near)
    )
    np.testing.assert_array_equal(kept, same)
    np.testing.assert_allclose(one.whitening, other.whitening, rtol=1e-4, atol=1e-5)
    chosen = [choose_source_weight(source, places, ROWS, random_state=0) for places in (far, near)]
    assert chosen[0].value == chosen[1].value
    for weight, likely in chosen[0].log_likelihoods.items():
        assert likely == pytest.approx(chosen[1].log_likelihoods[weight], rel=1e-5)


def test_a_start_takes_medians_of_some_images(far: Any, near: Floats) -> None:
    """Evenly spread: the fit that follows corrects what they say."""
    source = patch_moments(near, ~ROWS)
    found, whole = (most_like_source(source, places, trim=0.25) for places in (far, near))
    assert found.sum() == whole.sum()
    assert (found & whole).sum() > 0.7 * whole.sum()


def test_places_that_are_not_shown_are_filled(far: Any, near: Floats) -> None:
    looked_at = np.random.default_rng(3).random((61, 12)) < 0.8
    looked_at[:, 4] = False
    judged = looked_at.any(axis=0)
    found = filled(far[judged], looked_at[:, judged])
    expected = filled(near[judged], looked_at[:, judged])
    assert isinstance(found, FarPlaces)
    whole = np.concatenate([block.values for block in image_blocks(found)], axis=1)
    np.testing.assert_allclose(whole, expected, rtol=1e-6)
