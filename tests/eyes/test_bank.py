"""A bank of patches without places: what it finds, what it leaves out, what it ignores."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import cdist

from twofold.errors import CollapseError, NotEnoughImagesError
from twofold.eyes import FreeBank, fit_bank, top_mean

Floats = NDArray[np.float32]


def draw(n: int, seed: int, *, shift: float = 0.0, side: int = 6) -> Floats:
    """Three kinds of patches, each anywhere in an image."""
    rng = np.random.default_rng(seed)
    kinds = np.array([[0, 0, 0, 0], [4, 0, 1, 0], [0, 5, 0, 1]], dtype=np.float64)
    places = kinds[rng.integers(3, size=(n, side, side))] + 0.2 * rng.normal(
        size=(n, side, side, 4)
    )
    return (places + shift).transpose(0, 3, 1, 2).astype(np.float32)


def flawed(images: Floats, seed: int) -> Floats:
    """One patch of another kind, anywhere; no two are alike."""
    rng, changed = np.random.default_rng(seed), images.copy()
    for image in changed:
        row, column = rng.integers(image.shape[1], size=2)
        image[:, row, column] = (4, 5, 3, 3) + 2 * rng.random(4)
    return changed


def fit(source: Floats, pool: Floats, groups: Any = None, **options: Any) -> Any:
    own = np.arange(len(pool)) if groups is None else np.asarray(groups)
    return fit_bank(source, pool, own, **({"trim": 0.25, "random_state": 0} | options))


def test_a_flaw_is_found_wherever_it_is() -> None:
    found = fit(draw(20, 0, shift=9.0), draw(30, 1))
    new = draw(40, 2)
    normal = top_mean(found.model.squared_distances(new))
    odd = top_mean(found.model.squared_distances(flawed(new, 3)))
    assert odd.min() > normal.max()
    # And at its place.
    distances = found.model.squared_distances(flawed(new, 3))
    assert (
        distances.argmax(axis=1)
        == np.abs(flawed(new, 3) - new).sum(axis=1).reshape(40, -1).argmax(axis=1)
    ).all()


def test_distances_are_those_of_whitened_patches_to_the_nearest_row() -> None:
    model = fit(draw(5, 0), draw(8, 1)).model
    new = draw(3, 2)
    rows = new.reshape(3, 4, -1).transpose(0, 2, 1).reshape(-1, 4)
    expected = cdist((rows - model.mean) @ model.whitening, model.rows, "sqeuclidean").min(axis=1)
    found = model.squared_distances(new)
    np.testing.assert_allclose(found.ravel(), expected, rtol=1e-3, atol=1e-4)


def test_whitening_evens_out_the_variances_of_the_pool() -> None:
    pool = draw(30, 1)
    rows = pool.transpose(0, 2, 3, 1).reshape(-1, 4)
    white = fit(draw(5, 0), pool, trim=0.0).model.whiten(rows)
    variances = np.linalg.eigvalsh(np.cov(rows.T, bias=True))
    # A hundredth of the mean variance is added to each: dead directions are not stretched.
    expected = variances / (variances + 0.01 * variances.mean())
    np.testing.assert_allclose(np.linalg.eigvalsh(np.cov(white.T, bias=True)), expected, rtol=0.01)
    assert np.abs(white.mean(axis=0)).max() < 1e-3


def test_flawed_images_of_the_pool_are_left_out_and_do_not_explain_themselves() -> None:
    pool = draw(40, 1)
    pool[:4] = flawed(pool[:4], 2)
    found = fit(draw(20, 0), pool)
    assert not found.kept[:4].any()
    assert found.kept.sum() == 30
    scores = top_mean(found.distances)
    assert scores[:4].min() > scores[4:].max()
    # Nor where no image is left out: their patches are no help to themselves.
    scores = top_mean(fit(draw(20, 0), pool, trim=0.0).distances)
    assert scores[:4].min() > scores[4:].max()


def test_images_of_one_group_do_not_explain_each_other() -> None:
    pool = draw(30, 1)
    pool[:2] = flawed(pool[:1], 2)
    groups = np.arange(30)
    apart = top_mean(fit(draw(5, 0), pool, groups, trim=0.0).distances)
    groups[1] = groups[0]
    together = top_mean(fit(draw(5, 0), pool, groups, trim=0.0).distances)
    assert apart[:2].min() < together[:2].min()
    assert together[:2].min() > together[2:].max()


def test_where_the_source_lies_does_not_matter() -> None:
    pool, new = draw(10, 1), draw(5, 2)
    near = fit(draw(6, 0), pool).model.squared_distances(new)
    far = fit(draw(6, 0) + np.float32(64), pool).model.squared_distances(new)
    np.testing.assert_allclose(near, far, rtol=0.05, atol=0.02)


def test_without_a_source_the_pool_alone_is_the_bank() -> None:
    pool = draw(12, 1)
    found = fit_bank(None, pool, np.arange(12), trim=0.0, random_state=0)
    rows = {tuple(row) for row in found.model.whiten(pool.transpose(0, 2, 3, 1).reshape(-1, 4))}
    # Whitened in double precision, so not to the last bit.
    nearest = cdist(found.model.rows, np.array(list(rows))).min(axis=1)
    assert nearest.max() < 1e-4
    with_source = fit(draw(6, 0), pool, trim=0.0).model.rows
    assert cdist(with_source, np.array(list(rows))).min(axis=1).max() > 1e-2


def test_the_same_state_gives_the_same_bits() -> None:
    first, again = (fit(draw(4, 0), draw(9, 1), random_state=3) for _ in range(2))
    assert np.array_equal(first.model.rows, again.model.rows)
    assert np.array_equal(first.distances, again.distances)


def test_an_image_is_judged_by_itself() -> None:
    model, new = fit(draw(4, 0), draw(9, 1)).model, draw(7, 2)
    together = model.squared_distances(new)
    alone = np.concatenate([model.squared_distances(new[i : i + 1]) for i in range(7)])
    assert np.array_equal(together, alone)
    assert model.squared_distances(new[:0]).shape == (0, 36)


def test_its_state_rebuilds_it_and_another_is_refused() -> None:
    model, new = fit(draw(4, 0), draw(9, 1)).model, draw(3, 2)
    again = FreeBank.from_state(model.state(), 4)
    assert np.array_equal(again.squared_distances(new), model.squared_distances(new))
    with pytest.raises(ValueError, match="shapes"):
        FreeBank.from_state(model.state(), 5)
    with pytest.raises(ValueError, match="shapes"):
        FreeBank.from_state(model.state() | {"rows": model.rows[:0]}, 4)
    for bad in (model.rows.astype(np.float64), np.full_like(model.rows, np.nan)):
        with pytest.raises(ValueError, match="finite float32"):
            FreeBank.from_state(model.state() | {"rows": bad}, 4)


def test_named_errors_and_small_pools() -> None:
    with pytest.raises(NotEnoughImagesError, match="at least 2 target images, got 1"):
        fit(draw(4, 0), draw(1, 1))
    with pytest.raises(CollapseError, match="the same"):
        fit(draw(4, 0), np.ones((5, 4, 3, 3), dtype=np.float32))
    assert np.isfinite(fit(draw(1, 0), draw(2, 1)).distances).all()


def test_known_images_are_in_the_bank() -> None:
    pool = np.concatenate([draw(20, 1), flawed(draw(4, 5), 6)])
    known = np.arange(24) == 22
    found = fit(draw(10, 0), pool, known=known)
    np.testing.assert_array_equal(found.kept[20:], [False, False, True, False])
    # What it shows is normal, for it and for others like it.
    flaw = found.model.squared_distances(pool[22:23])
    assert flaw.max() < fit(draw(10, 0), pool).model.squared_distances(pool[22:23]).max()
