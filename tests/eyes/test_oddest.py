"""Scores from the oddest patches alone, against the distances of all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.eyes.patch_worlds import draw

from twofold.encoders.disk_rows import RowSink
from twofold.eyes import (
    PatchGaussians,
    as_places,
    fit_patch_gaussians,
    oddest_mean,
    patch_moments,
    top_mean,
)


def fitted(n: int = 40, c: int = 6, g: int = 5) -> PatchGaussians:
    return fit_patch_gaussians(patch_moments(as_places(draw(n, c=c, g=g))))


def looks(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many places each call has exact distances of."""
    seen: list[int] = []
    exact = PatchGaussians.squared_distances

    def look(self: PatchGaussians, *given: Any) -> Any:
        seen.append(len(self.mean))
        return exact(self, *given)

    monkeypatch.setattr(PatchGaussians, "squared_distances", look)
    return seen


@pytest.mark.parametrize("n", [1, 3, 8, 9, 70])
@pytest.mark.parametrize("places", [1, 3])
def test_the_bits_are_those_of_all_distances(n: int, places: int) -> None:
    model, patches = fitted(), draw(n, c=6, g=5, seed=1)
    expected = top_mean(model.squared_distances(patches), places)
    np.testing.assert_array_equal(oddest_mean(model, patches, places), expected)


@pytest.mark.parametrize("n", [3, 70])
def test_patches_on_disk(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """As of the few marked images of a large pool."""
    monkeypatch.setattr("twofold.encoders.disk_rows._IN_MEMORY", 0)
    model, patches = fitted(), draw(n, c=6, g=5, seed=1)
    sink = RowSink(n)
    for row in patches:
        sink.append(row)
    stored: Any = sink.rows()
    np.testing.assert_array_equal(oddest_mean(model, stored), oddest_mean(model, patches))


def test_an_image_has_its_bits_in_any_company() -> None:
    model, patches = fitted(), draw(70, c=6, g=5, seed=1)
    whole = oddest_mean(model, patches)
    for row in range(0, 70, 9):
        assert oddest_mean(model, patches[row : row + 1])[0] == whole[row]


def test_few_places_are_looked_at_exactly(monkeypatch: pytest.MonkeyPatch) -> None:
    model, patches = fitted(g=14), draw(1, c=6, g=14, seed=1)
    seen = looks(monkeypatch)
    oddest_mean(model, patches)
    assert seen[0] < 20
    seen.clear()
    oddest_mean(model, draw(9, c=6, g=14, seed=1))
    assert seen == [196]


def test_patches_that_float32_cannot_tell_apart_are_all_looked_at() -> None:
    """The fourth differs from the third in the last bits only, in either direction."""
    model = fitted(g=4)
    same = PatchGaussians(
        np.zeros_like(model.mean), np.repeat(model.whitening[:1], 16, 0), model.log_determinant
    )
    rng = np.random.default_rng(0)
    for _ in range(50):
        patch = 1000 * rng.standard_normal(6).astype(np.float32)
        near = np.nextafter(patch, np.float32(np.inf) * rng.choice([-1, 1], (16, 6)))
        patches = np.where(rng.random((16, 1)) < 0.5, patch, near).T.reshape(1, 6, 4, 4)
        patches = patches.astype(np.float32)
        expected = top_mean(same.squared_distances(patches))
        assert oddest_mean(same, patches)[0] == expected[0]


def test_what_float32_cannot_hold_is_looked_at_exactly() -> None:
    model, patches = fitted(), draw(1, c=6, g=5, seed=1)
    patches[0, :, 2, 2] = 3e38
    patches[0, :, 1, 1] = -3e38
    expected = top_mean(model.squared_distances(patches))
    assert np.isfinite(expected).all()
    np.testing.assert_array_equal(oddest_mean(model, patches), expected)


def test_no_images_and_few_places() -> None:
    model = fitted(g=1)
    assert oddest_mean(model, draw(0, c=6, g=1)).shape == (0,)
    patches = draw(2, c=6, g=1, seed=2)
    expected = top_mean(model.squared_distances(patches))
    np.testing.assert_array_equal(oddest_mean(model, patches), expected)


def test_left_out_patches_do_not_count() -> None:
    model, patches = fitted(), draw(2, c=6, g=5, seed=1)
    mask = np.ones((2, 25), dtype=bool)
    mask[:, np.argmax(model.squared_distances(patches), axis=1)] = False
    expected = top_mean(model.squared_distances(patches, mask), looked_at=mask)
    np.testing.assert_array_equal(oddest_mean(model, patches, looked_at=mask), expected)
