"""Shrunk Gaussians against scikit-learn and explicit inverses."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.covariance import empirical_covariance, ledoit_wolf, oas
from tests.densities.cases import Array, each_shrinkage, normal

from twofold.densities import (
    Gaussian,
    Shrinkage,
    fit_adapted_gaussian,
    fit_gaussian,
    fit_trimmed,
)
from twofold.errors import CollapseError, ConfigError, NotEnoughImagesError

REFERENCE = {"ledoit_wolf": ledoit_wolf, "oas": oas}

# More rows than dimensions, as many, fewer, far fewer; one dimension; two rows.
each_shape = pytest.mark.parametrize(
    "shape", [(200, 10), (30, 30), (20, 50), (8, 300), (50, 1), (2, 6), (3, 2)], ids=str
)


def explicit_distances(test: Array, mean: Array, covariance: Array) -> Array:
    centred = test - mean
    inverse = np.linalg.inv(covariance)
    return np.asarray(np.einsum("ij,jk,ik->i", centred, inverse, centred))


def reference(deviations: Array, kind: Shrinkage) -> tuple[Array, float]:
    """Covariance and intensity by scikit-learn; with n < d the identity weighs at least 1 / n."""
    n, d = deviations.shape
    covariance, shrinkage = REFERENCE[kind](deviations, assume_centered=True)
    if n >= d or shrinkage >= 1 / n:
        return covariance, shrinkage
    sample = empirical_covariance(deviations, assume_centered=True)
    return (1 - 1 / n) * sample + np.trace(sample) / (n * d) * np.eye(d), 1 / n


@each_shape
@each_shrinkage
def test_equals_scikit_learn_and_an_explicit_inverse(
    shape: tuple[int, int], kind: Shrinkage
) -> None:
    train, test = normal(*shape), normal(25, shape[1], seed=1, shift=0.5)
    model = fit_gaussian(train, shrinkage=kind)
    covariance, shrinkage = reference(train - train.mean(axis=0), kind)
    if shape[1] > 1:  # In one dimension any shrinkage gives the same covariance.
        assert model.shrinkage == pytest.approx(shrinkage, rel=1e-9, abs=1e-12)
    np.testing.assert_allclose(model.mean, train.mean(axis=0), atol=1e-12)
    expected = explicit_distances(test, train.mean(axis=0), covariance)
    np.testing.assert_allclose(model.squared_distances(test), expected, rtol=1e-6)


@each_shape
def test_a_given_mean_is_used(shape: tuple[int, int]) -> None:
    train, test = normal(*shape), normal(25, shape[1], seed=1)
    mean = train.mean(axis=0) + 0.3
    model = fit_gaussian(train, mean=mean)
    covariance, shrinkage = reference(train - mean, "ledoit_wolf")
    assert model.shrinkage == pytest.approx(shrinkage, rel=1e-9, abs=1e-12)
    expected = explicit_distances(test, mean, covariance)
    np.testing.assert_allclose(model.squared_distances(test), expected, rtol=1e-6)


@each_shape
@each_shrinkage
def test_its_state_rebuilds_it_bit_by_bit(shape: tuple[int, int], kind: Shrinkage) -> None:
    model = fit_gaussian(normal(*shape), shrinkage=kind)
    again = Gaussian.from_state(model.state())
    assert (again.floor, again.shrinkage) == (model.floor, model.shrinkage)
    for name, array in model.state().items():
        np.testing.assert_array_equal(again.state()[name], array)
        assert array.dtype == np.float64
    test = normal(9, shape[1], seed=1)
    np.testing.assert_array_equal(again.squared_distances(test), model.squared_distances(test))


@each_shape
def test_distances_are_finite_and_not_negative(shape: tuple[int, int]) -> None:
    train = normal(*shape)
    model = fit_gaussian(train)
    far = np.concatenate([train, model.mean[None], normal(5, shape[1], seed=2, shift=1e6)])
    distances = model.squared_distances(far)
    assert np.isfinite(distances).all()
    assert (distances >= 0).all()
    assert distances[len(train)] == pytest.approx(0.0, abs=1e-9)


@each_shape
def test_the_order_of_the_rows_does_not_matter(shape: tuple[int, int]) -> None:
    train, test = normal(*shape), normal(9, shape[1], seed=1)
    order = np.random.default_rng(0).permutation(len(train))
    plain = fit_gaussian(train).squared_distances(test)
    permuted = fit_gaussian(train[order]).squared_distances(test)
    np.testing.assert_allclose(permuted, plain, rtol=1e-9, atol=1e-9)


def test_rows_of_zeros_fill_a_basis_up_to_eight_and_change_nothing() -> None:
    rng = np.random.default_rng(0)
    basis, rows = 0.2 * rng.normal(size=(3, 11)), rng.normal(size=(5, 11))
    model = Gaussian(np.zeros(11), basis, 0.5, 0.1)
    np.testing.assert_array_equal(model.basis, np.vstack([basis, np.zeros((5, 11))]))
    covariance = 0.5 * np.linalg.inv(np.eye(11) - basis.T @ basis)
    expected = np.einsum("ij,jk,ik->i", rows, np.linalg.inv(covariance), rows)
    np.testing.assert_allclose(model.squared_distances(rows), expected, rtol=1e-9)
    np.testing.assert_allclose(model.log_determinant(), np.linalg.slogdet(covariance)[1])
    # Not up to all d rows: those would mean another formula.
    assert Gaussian(np.zeros(7), basis[:, :7], 0.5, 0.1).basis.shape == (3, 7)


def test_a_handful_of_rows_is_never_left_unshrunk() -> None:
    # Ledoit-Wolf estimates no noise at all from two rows: |x_1 - m|^4 equals the square of S.
    train = np.array([[0.0, 1.0, 0.0, 0.0], [0.0, -1.0, 0.0, 0.0]])
    model = fit_gaussian(train)
    assert ledoit_wolf(train)[1] == 0.0
    assert model.shrinkage == 0.5
    # Half the sample variance 1, and half its mean over the dimensions, 1/4, everywhere.
    distances = model.squared_distances(np.vstack([np.zeros(4), np.eye(4)]))
    np.testing.assert_allclose(distances, [0.0, 8.0, 1 / 0.625, 8.0, 8.0])


@pytest.mark.parametrize("n", [0, 1])
@each_shrinkage
def test_too_few_rows_is_a_named_error(n: int, kind: Shrinkage) -> None:
    with pytest.raises(NotEnoughImagesError, match=f"at least 2 images, got {n}"):
        fit_gaussian(np.ones((n, 4)), mean=np.zeros(4), shrinkage=kind)


@pytest.mark.parametrize("value", [0.0, 1.0, -3e-8, 1.2345e6, 0.1])
@pytest.mark.parametrize(("n", "d"), [(2, 5), (50, 5), (7, 100)])
def test_equal_rows_are_a_collapse(n: int, d: int, value: float) -> None:
    with pytest.raises(CollapseError, match=f"all {n} images"):
        fit_gaussian(np.full((n, d), value))


@pytest.mark.parametrize("n", [5, 100])
@each_shrinkage
def test_dead_dimensions_do_no_harm(n: int, kind: Shrinkage) -> None:
    train = normal(n, 12)
    train[:, [0, 5, 11]] = 0.0
    model = fit_gaussian(train, shrinkage=kind)
    covariance, _ = reference(train - train.mean(axis=0), kind)
    test = normal(9, 12, seed=1)
    expected = explicit_distances(test, train.mean(axis=0), covariance)
    np.testing.assert_allclose(model.squared_distances(test), expected, rtol=1e-6)


def test_dead_dimensions_without_any_shrinkage() -> None:
    # Two balanced points in a plane: no noise is seen, and the third direction is exactly flat.
    train = np.array([[1.0, 1.0, 0.0], [-1.0, 1.0, 0.0], [1.0, -1.0, 0.0], [-1.0, -1.0, 0.0]] * 5)
    distances = fit_gaussian(train).squared_distances(np.array([[1.0, 1, 0], [1, 1, 1e-3]]))
    assert np.isfinite(distances).all()
    assert distances[1] > distances[0]


def test_single_precision_input_is_computed_in_double() -> None:
    train = normal(40, 6).astype(np.float32)
    model = fit_gaussian(train)
    assert model.mean.dtype == model.basis.dtype == np.float64
    distances = model.squared_distances(train)
    assert distances.dtype == np.float64
    expected = fit_gaussian(train.astype(np.float64)).squared_distances(train)
    np.testing.assert_array_equal(distances, expected)


def test_an_unknown_shrinkage_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"'diagonal'.*ledoit_wolf or oas"):
        fit_gaussian(normal(5, 3), shrinkage="diagonal")  # type: ignore[arg-type]


@pytest.mark.parametrize(("n_s", "n_t", "d"), [(60, 40, 8), (10, 15, 70), (1, 5, 3), (5, 1, 3)])
@each_shrinkage
def test_adapted_equals_pooling_by_hand(n_s: int, n_t: int, d: int, kind: Shrinkage) -> None:
    source, target = normal(n_s, d, shift=3.0), normal(n_t, d, seed=1, shift=-2.0)
    model = fit_adapted_gaussian(source, target, shrinkage=kind)
    deviations = np.concatenate([source - source.mean(axis=0), target - target.mean(axis=0)])
    covariance, shrinkage = reference(deviations, kind)
    np.testing.assert_allclose(model.mean, target.mean(axis=0), atol=1e-12)
    assert model.shrinkage == pytest.approx(shrinkage, rel=1e-8, abs=1e-12)
    test = normal(9, d, seed=2)
    expected = explicit_distances(test, target.mean(axis=0), covariance)
    np.testing.assert_allclose(model.squared_distances(test), expected, rtol=1e-6)


@pytest.mark.parametrize("d", [8, 200])
def test_a_shift_of_the_source_does_not_matter(d: int) -> None:
    source, target, test = (normal(30, d, seed=seed) for seed in range(3))
    shift = np.random.default_rng(5).normal(0, 10, size=d)
    plain = fit_adapted_gaussian(source, target).squared_distances(test)
    shifted = fit_adapted_gaussian(source + shift, target).squared_distances(test)
    np.testing.assert_allclose(shifted, plain, rtol=1e-8)


@pytest.mark.parametrize(("n_s", "n_t", "name"), [(0, 5, "source"), (5, 0, "target")])
def test_a_domain_without_images_is_a_named_error(n_s: int, n_t: int, name: str) -> None:
    with pytest.raises(NotEnoughImagesError, match=name):
        fit_adapted_gaussian(np.ones((n_s, 3)), np.ones((n_t, 3)))
    with pytest.raises(NotEnoughImagesError, match=name):
        fit_trimmed(np.ones((n_s, 3)), np.ones((n_t, 3)), trim=0.1)


def test_one_image_of_each_domain_is_a_collapse() -> None:
    with pytest.raises(CollapseError):
        fit_adapted_gaussian(normal(1, 4), normal(1, 4, seed=1))


@pytest.mark.parametrize("n", [0, 1])
def test_a_pool_too_small_to_fit_alone(n: int) -> None:
    with pytest.raises(NotEnoughImagesError, match=f"got {n}"):
        fit_trimmed(None, np.ones((n, 3)), trim=0.0)
