"""Gaussians of patches against slow loops, scipy and scikit-learn."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.distance import mahalanobis
from sklearn.covariance import ledoit_wolf, ledoit_wolf_shrinkage
from tests.eyes.patch_worlds import draw

from twofold.errors import CollapseError, NotEnoughImagesError
from twofold.eyes import (
    PatchGaussians,
    PatchMoments,
    as_places,
    fit_patch_gaussians,
    patch_moments,
    top_mean,
)
from twofold.eyes.covariances import averaged_covariances, inverse_roots

Array = NDArray[np.float64]


def moments(patches: NDArray[np.float32], rows: Any = None) -> PatchMoments:
    return patch_moments(as_places(patches), rows)


def slow_covariances(
    target: NDArray[np.float32], source: NDArray[np.float32] | None, weight: float
) -> list[Array]:
    """Place by place from single outer products; the common one by scikit-learn's Ledoit-Wolf."""
    deviations = []
    for place in np.ndindex(target.shape[2:]):
        own = target[(..., *place)].astype(np.float64)
        centred = [own - own.mean(axis=0)]
        if source is not None:
            # Weights of 1 alone: then the average is that of all deviations together.
            assert weight == 1.0
            near = source[(..., *place)].astype(np.float64)
            centred.append(near - near.mean(axis=0))
        deviations.append(np.concatenate(centred))
    together, c = np.concatenate(deviations), target.shape[1]
    common = np.mean([rows.T @ rows / len(rows) for rows in deviations], axis=0)
    ridge = max(ledoit_wolf_shrinkage(together, assume_centered=True), 0.01)
    goal = (1 - ridge) * common + ridge * np.trace(common) / c * np.eye(c)
    shrunk = []
    for rows in deviations:
        n = len(rows)
        covariance = sum(np.outer(row, row) for row in rows) / n
        errors = [np.square(np.outer(row, row) - covariance).sum() for row in rows]
        error, gap = np.mean(errors) / n, np.square(covariance - goal).sum()
        intensity = min(max(error / gap, 1 / n), 1.0)
        shrunk.append((1 - intensity) * covariance + intensity * goal)
    return shrunk


def test_places_side_by_side() -> None:
    patches = draw(5, c=4, g=3)
    places = as_places(patches)
    assert places.shape == (9, 5, 4)
    assert places.dtype == np.float32
    assert places.flags.c_contiguous
    for n, i, j in ((0, 0, 0), (4, 2, 1), (3, 1, 2)):
        assert np.array_equal(places[3 * i + j, n], patches[n, :, i, j])
    assert as_places(patches.astype(np.float64)).dtype == np.float32


@pytest.mark.parametrize("masked", [False, True])
def test_moments_are_those_of_slow_loops(masked: bool) -> None:
    patches = draw(12)
    rows = np.arange(12) % 3 != 0 if masked else None
    found = moments(patches, rows)
    kept = patches if rows is None else patches[rows]
    assert found.n == len(kept)
    for place in range(9):
        values = kept.reshape(len(kept), 6, 9)[:, :, place].astype(np.float64)
        mean = values.mean(axis=0)
        np.testing.assert_allclose(found.mean[place], mean, rtol=1e-5, atol=1e-6)
        expected = sum(np.outer(x - mean, x - mean) for x in values) / len(values)
        np.testing.assert_allclose(found.covariance[place], expected, atol=1e-5)
        fourth = np.mean([float((x - mean) @ (x - mean)) ** 2 for x in values])
        assert found.fourth[place] == pytest.approx(fourth, rel=1e-5)


def test_moments_do_not_lose_a_small_spread_on_a_large_mean() -> None:
    patches = draw(50)
    near, far = moments(patches), moments(patches + np.float32(100))
    np.testing.assert_allclose(far.covariance, near.covariance, atol=1e-3)


@pytest.mark.parametrize("n", [4, 12, 300])
@pytest.mark.parametrize("with_source", [False, True])
def test_equals_slow_sums_of_outer_products(n: int, with_source: bool) -> None:
    target, test = draw(n), draw(5, seed=1)
    source = draw(2 * n, seed=2, mean=5.0) if with_source else None
    near = None if source is None else moments(source)
    model = fit_patch_gaussians(moments(target), near)
    distances = model.squared_distances(test)
    assert distances.shape == (5, 9)
    assert distances.dtype == np.float64
    for place, covariance in enumerate(slow_covariances(target, source, 1.0)):
        mean = target.reshape(n, 6, 9)[:, :, place].astype(np.float64).mean(axis=0)
        inverse = np.linalg.inv(covariance)
        for image in range(5):
            expected = mahalanobis(test[image].reshape(6, 9)[:, place], mean, inverse) ** 2
            assert distances[image, place] == pytest.approx(expected, rel=1e-3)
        assert model.log_determinant[place] == pytest.approx(
            np.linalg.slogdet(covariance)[1], rel=1e-4, abs=1e-3
        )


def test_one_place_alone_is_shrunk_as_by_ledoit_and_wolf() -> None:
    values = draw(12)[:, :, :1, :1]
    model = fit_patch_gaussians(moments(values))
    expected = ledoit_wolf(values[:, :, 0, 0].astype(np.float64))[0]
    precision = model.whitening[0].T.astype(np.float64) @ model.whitening[0]
    np.testing.assert_allclose(np.linalg.inv(precision), expected, rtol=1e-3, atol=1e-4)


def test_a_few_images_lean_on_the_other_places() -> None:
    """With 6 images of 6 channels the covariance of a place is singular; its neighbours know it."""
    rng = np.random.default_rng(0)
    loadings = rng.normal(size=(6, 6))
    truth = loadings @ loadings.T
    values = np.einsum("cd,ndij->ncij", loadings, rng.normal(size=(6, 6, 8, 8)))
    model = fit_patch_gaussians(moments(values.astype(np.float32)))
    precision = np.einsum("pdc,pde->pce", model.whitening, model.whitening, dtype=np.float64)
    found = np.linalg.inv(precision)
    single = ledoit_wolf(values[:, :, 0, 0])[0]
    errors = np.square(found - truth).sum(axis=(1, 2))
    assert errors.mean() < 0.5 * np.square(single - truth).sum()


def test_a_shift_of_the_source_costs_nothing() -> None:
    target, source = draw(20), draw(30, seed=1)
    near, far = (
        fit_patch_gaussians(moments(target), moments(source + np.float32(shift)))
        for shift in (0, 5)
    )
    test = draw(5, seed=2)
    np.testing.assert_allclose(near.squared_distances(test), far.squared_distances(test), rtol=1e-3)


def test_the_source_counts_as_much_as_it_is_told() -> None:
    """As many images, weight 1: the plain average; weight 0: as if it were not there."""
    target, source = moments(draw(300)), moments(draw(300, seed=1, world=7))
    none, zero = fit_patch_gaussians(target), fit_patch_gaussians(target, source, source_weight=0)
    assert np.array_equal(none.whitening, zero.whitening)
    tight = 1e-9  # Nearly nothing added: the covariances themselves.
    model = fit_patch_gaussians(target, source, regularisation=tight)
    third = fit_patch_gaussians(target, source, source_weight=0.5, regularisation=tight)
    for place in range(9):
        own, lent = target.covariance[place], source.covariance[place]
        for fitted, expected in ((model, (own + lent) / 2), (third, (2 * own + lent) / 3)):
            precision = fitted.whitening[place].T.astype(np.float64) @ fitted.whitening[place]
            np.testing.assert_allclose(np.linalg.inv(precision), expected, rtol=1e-3, atol=1e-3)


def test_a_given_regularisation_replaces_the_shrinkage() -> None:
    target = moments(draw(5))
    level = np.trace(target.covariance, axis1=1, axis2=2).mean() / 6
    model = fit_patch_gaussians(target, regularisation=0.5)
    for place in range(9):
        precision = model.whitening[place].T.astype(np.float64) @ model.whitening[place]
        expected = target.covariance[place] + 0.5 * level * np.eye(6)
        np.testing.assert_allclose(np.linalg.inv(precision), expected, rtol=1e-3, atol=1e-4)


def test_a_place_where_nothing_varies_gets_a_spread_from_the_others() -> None:
    patches = draw(40)
    patches[:, :, 0, 0] = 3.0
    model = fit_patch_gaussians(moments(patches))
    test = draw(4, seed=1)
    test[:, :, 0, 0] = 3.0 + 1e-6
    distances = model.squared_distances(test)
    assert np.isfinite(distances).all()
    assert distances[:, 0].max() < 1e-3 * np.median(distances)


@pytest.mark.parametrize("n", [1, 2, 63, 64, 65, 130])
def test_an_image_is_judged_by_itself(n: int) -> None:
    model, test = fit_patch_gaussians(moments(draw(30))), draw(130, seed=1)
    whole = model.squared_distances(test)
    assert np.array_equal(model.squared_distances(test[:n]), whole[:n])
    np.testing.assert_allclose(model.of_places(as_places(test)), whole, rtol=1e-5)
    assert model.squared_distances(test[:0]).shape == (0, 9)


def test_its_state_rebuilds_it_bit_by_bit() -> None:
    model, test = fit_patch_gaussians(moments(draw(30))), draw(7, seed=1)
    again = PatchGaussians.from_state(dict(model.state()), 6)
    assert np.array_equal(again.squared_distances(test), model.squared_distances(test))
    assert np.array_equal(again.log_determinant, model.log_determinant)


@pytest.mark.parametrize("name", ["mean", "whitening", "log_determinant"])
def test_arrays_that_do_not_belong_together_are_refused(name: str) -> None:
    state = fit_patch_gaussians(moments(draw(30))).state()
    for bad in (state[name][:-1], state[name][..., :-1], np.concatenate([state[name]] * 2)):
        with pytest.raises(ValueError, match="shape"):
            PatchGaussians.from_state(state | {name: bad}, 6)
    with pytest.raises(ValueError, match="shapes"):
        PatchGaussians.from_state(dict(state), 5)
    with pytest.raises(ValueError, match="shape"):
        PatchGaussians.from_state({name: array[:0] for name, array in state.items()}, 6)


def test_one_image_is_not_enough_and_two_are() -> None:
    with pytest.raises(NotEnoughImagesError, match="at least 2 target images, got 1"):
        fit_patch_gaussians(moments(draw(1)))
    distances = fit_patch_gaussians(moments(draw(2))).squared_distances(draw(5, seed=1))
    assert np.isfinite(distances).all()
    assert (distances > 0).all()


@pytest.mark.parametrize("value", [0.0, 1.0, 1000.3])
def test_copies_collapse(value: float) -> None:
    same = np.full((9, 6, 3, 3), value, dtype=np.float32)
    with pytest.raises(CollapseError, match="all 9 images have the same patches"):
        fit_patch_gaussians(moments(same))


def test_the_mean_of_the_largest() -> None:
    distances = np.random.default_rng(0).normal(size=(4, 40))
    for places in (1, 2, 10, 40):
        expected = [np.mean(sorted(row)[-places:]) for row in distances]
        np.testing.assert_allclose(top_mean(distances, places), expected)
    np.testing.assert_allclose(top_mean(distances), top_mean(distances, 3))
    np.testing.assert_allclose(top_mean(distances[:, :2]), distances[:, :2].mean(axis=1))


def test_shared_moments_are_those_of_all_patches() -> None:
    rng = np.random.default_rng(3)
    patches = rng.normal(size=(20, 4, 3, 3)) + rng.normal(size=(4, 3, 3))
    moments = patch_moments(as_places(patches), shared=True)
    rows = patches.transpose(0, 2, 3, 1).reshape(-1, 4)
    assert moments.n == 20
    np.testing.assert_allclose(moments.mean, rows.mean(axis=0)[None], atol=1e-5)
    np.testing.assert_allclose(moments.covariance, np.cov(rows.T, bias=True)[None], atol=1e-4)
    distances = fit_patch_gaussians(moments).squared_distances(patches)
    moved = fit_patch_gaussians(moments).squared_distances(patches[:, :, ::-1])
    np.testing.assert_allclose(np.sort(distances, axis=1), np.sort(moved, axis=1), rtol=1e-6)
    assert fit_patch_gaussians(moments).mean.shape == (1, 4)
    by_place = fit_patch_gaussians(moments).of_places(as_places(patches))
    np.testing.assert_allclose(by_place, distances, rtol=1e-4)


@pytest.mark.parametrize("weight", [0.3, 1.0])
def test_weighted_images_count_as_many_as_their_average_is_precise(weight: float) -> None:
    """The squared error of the weighted covariance, simulated, against what the fit assumes."""
    rng, n, m, c = np.random.default_rng(0), 40, 200, 4
    errors, assumed = [], []
    for _ in range(2000):
        # One place; known means of zero, as the shrinkage does not count their error either.
        near, far = rng.normal(size=(m, c)), rng.normal(size=(n, c))
        parts = [
            PatchMoments(
                len(rows),
                np.zeros((1, c)),
                (rows.T @ rows / len(rows))[None],
                np.array([np.square(np.square(rows).sum(axis=1)).mean()]),
            )
            for rows in (far, near)
        ]
        count, covariance, fourth = averaged_covariances(parts[0], parts[1], weight)
        errors.append(np.square(covariance[0] - np.eye(c)).sum())
        assumed.append((float(fourth[0]) - np.square(covariance[0]).sum()) / count)
    assert np.mean(assumed) == pytest.approx(np.mean(errors), rel=0.05)


@pytest.mark.parametrize("c", [1, 7, 41, 150])
def test_inverse_roots_are_those_of_lapack(c: int) -> None:
    rng = np.random.default_rng(c)
    rows = rng.normal(size=(5, 3 * c + 2, c)) * np.geomspace(1.0, 1e-3, c)
    spreads = np.matmul(rows.transpose(0, 2, 1), rows) / rows.shape[1]
    found = inverse_roots(spreads, 1e-12)
    for own, spread in zip(found, spreads, strict=True):
        expected = np.linalg.inv(np.linalg.cholesky(spread))
        np.testing.assert_allclose(own, expected, atol=1e-9 * np.abs(expected).max())
        assert not np.triu(own, 1).any()


def test_only_covariances_that_rounding_has_spoilt_are_changed() -> None:
    """One of three has a negative eigenvalue: it is lifted, and the others stay as they are."""
    c, least = 50, 1e-3
    turned = np.linalg.qr(np.random.default_rng(0).normal(size=(c, c)))[0]
    values = np.linspace(1.0, 2.0, c)
    sound = (turned * values) @ turned.T
    spoilt = (turned * np.r_[-0.01, values[1:]]) @ turned.T
    found = inverse_roots(np.stack([sound, spoilt, sound]), least)
    alone = inverse_roots(sound[None], least)[0]
    np.testing.assert_allclose(found[[0, 2]], np.stack([alone, alone]), rtol=1e-9, atol=1e-12)
    lifted = (turned * np.r_[0.01, values[1:]]) @ turned.T
    np.testing.assert_allclose(
        found[1], np.linalg.inv(np.linalg.cholesky(lifted)), rtol=1e-6, atol=1e-9
    )
