"""Fits to parts of a pool from inner products, against the fits themselves."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.densities import (
    FarRows,
    Gaussian,
    Shrinkage,
    Splits,
    fit_adapted_gaussian,
    fit_gaussian,
    made_rows,
    shrinkage_intensity,
)
from twofold.errors import CollapseError, NotEnoughImagesError

Array = NDArray[np.float64]


def rows(n: int, d: int, seed: int, shift: float) -> Array:
    generator = np.random.default_rng(seed)
    return generator.normal(size=(n, d)) * np.linspace(0.2, 2.0, d) + shift


def covariance(model: Gaussian) -> Array:
    """The covariance of a fit, from the distances of steps along the axes."""
    d = len(model.mean)
    steps = np.concatenate([np.eye(d)[[i]] + np.eye(d) for i in range(d)])
    crossed = model.squared_distances(model.mean + steps).reshape(d, d)
    alone = model.squared_distances(model.mean + np.eye(d))
    inverse = (crossed - alone[:, None] - alone[None, :]) / 2
    np.fill_diagonal(inverse, alone)
    return np.asarray(np.linalg.inv(inverse))


@pytest.mark.parametrize("kind", ["ledoit_wolf", "oas"])
@pytest.mark.parametrize("weight", [0.0, 0.1, 1.0])
# In the span of the rows; as many rows as dimensions; more; without a source.
@pytest.mark.parametrize("sizes", [(9, 20, 60), (30, 40, 50), (80, 90, 12), (0, 30, 60)], ids=str)
def test_scores_are_those_of_the_fit(
    sizes: tuple[int, int, int], weight: float, kind: Shrinkage
) -> None:
    m, n, d = sizes
    source = rows(m, d, 1, 5.0) if m else None
    pool = rows(n, d, 2, 3.0)
    splits = Splits(source, pool, kind)
    for seed in range(3):
        fitted = np.random.default_rng(seed).random(n) < 0.6
        scored = ~fitted if seed else np.ones(n, dtype=np.bool_)
        if source is None or weight == 0:
            model = fit_gaussian(pool[fitted], shrinkage=kind)
        else:
            model = fit_adapted_gaussian(source, pool[fitted], source_weight=weight, shrinkage=kind)
        distances, determinant = splits.score(fitted, scored, source_weight=weight)
        np.testing.assert_allclose(distances, model.squared_distances(pool[scored]), rtol=1e-9)
        assert determinant == pytest.approx(model.log_determinant(), abs=1e-8)


@pytest.mark.parametrize("sizes", [(40, 5), (6, 9)], ids=str)
def test_log_determinant_is_that_of_the_covariance(sizes: tuple[int, int]) -> None:
    model = fit_gaussian(rows(*sizes, 3, 1.0))
    _, expected = np.linalg.slogdet(covariance(model))
    assert model.log_determinant() == pytest.approx(expected, abs=1e-6)


@pytest.mark.parametrize("sizes", [(40, 30, 5), (4, 3, 9)], ids=str)
def test_a_weighted_fit_is_the_weighted_sum_of_outer_products(sizes: tuple[int, int, int]) -> None:
    m, n, d = sizes
    source, target, weight = rows(m, d, 1, 4.0), rows(n, d, 2, 0.0), 0.3
    model = fit_adapted_gaussian(source, target, source_weight=weight)
    total = m * weight + n
    sample, fourth = np.zeros((d, d)), 0.0
    for own, counts in ((source, weight), (target, 1.0)):
        for row in own:
            deviation = row - own.mean(axis=0)
            sample += counts / total * np.outer(deviation, deviation)
            fourth += counts / total * float(deviation @ deviation) ** 2
    # No image is a part of one: as many as an unweighted average would need to vary as much.
    effective = total**2 / (m * weight**2 + n)
    shrunk = shrinkage_intensity(
        trace=float(np.trace(sample)),
        frobenius=float(np.square(sample).sum()),
        fourth=fourth,
        n=effective,
        d=d,
        kind="ledoit_wolf",
    )
    if m + n < d:
        shrunk = max(shrunk, 1 / effective)
    expected = (1 - shrunk) * sample + shrunk * np.trace(sample) / d * np.eye(d)
    assert model.shrinkage == pytest.approx(shrunk)
    np.testing.assert_allclose(model.mean, target.mean(axis=0))
    np.testing.assert_allclose(covariance(model), expected, atol=1e-6)


def test_rows_far_from_the_origin_keep_their_digits() -> None:
    """Products of rows whose spread is a millionth of their length have none left."""
    pool = 1e4 + 1e-3 * rows(30, 60, 2, 0.0)
    fitted = np.arange(30) < 20
    expected = fit_gaussian(pool[fitted]).squared_distances(pool[~fitted])
    found, _ = Splits(None, pool).score(fitted, ~fitted)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_few_rows_and_copies() -> None:
    pool = rows(10, 30, 0, 0.0)
    one = np.arange(10) == 0
    with pytest.raises(NotEnoughImagesError, match="at least 2 images"):
        Splits(None, pool).score(one, ~one)
    alike = np.repeat(pool[:1], 10, axis=0)
    with pytest.raises(CollapseError, match="the same features"):
        Splits(None, alike).score(~one, one)
    # Of nothing the scores are nothing.
    assert Splits(None, pool).score(~one, one & ~one)[0].shape == (0,)


@pytest.mark.parametrize("weight", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("sizes", [(40, 90, 12), (9, 60, 80)], ids=str)
def test_rows_that_are_not_held_give_the_same(
    sizes: tuple[int, int, int], weight: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Most rows, whose moments are those of all less the others'; a half; and a few."""
    m, n, d = sizes
    source, pool = rows(m, d, 1, 5.0), rows(n, d, 2, 3.0)
    monkeypatch.setattr("twofold.densities.rows._HELD", 8)
    monkeypatch.setattr("twofold.densities.rows._MADE", 7)
    known, far = (made_rows(data.__getitem__, len(data), d) for data in (source, pool))
    assert isinstance(known, FarRows)
    assert isinstance(far, FarRows)
    held, not_held = Splits(source, pool), Splits(known, far)
    everybody = np.ones(n, dtype=np.bool_)
    for share in (0.9, 0.5, 0.1):
        fitted = np.random.default_rng(0).random(n) < share
        for scored in (~fitted, everybody):
            expected, determinant = held.score(fitted, scored, source_weight=weight)
            found, other = not_held.score(fitted, scored, source_weight=weight)
            np.testing.assert_allclose(found, expected, rtol=1e-7)
            assert other == pytest.approx(determinant, abs=1e-7)
            likely = held.log_likelihood(fitted, scored, source_weight=weight)
            assert likely == pytest.approx(-0.5 * float((expected + determinant).sum()))
            again = not_held.log_likelihood(fitted, scored, source_weight=weight)
            assert again == pytest.approx(likely, rel=1e-7)


def test_an_outlier_that_is_taken_off_leaves_its_digits(monkeypatch: pytest.MonkeyPatch) -> None:
    pool = rows(50, 6, 0, 0.0)
    pool[7] *= 1e9
    fitted = np.arange(50) != 7
    expected = fit_gaussian(pool[fitted]).squared_distances(pool[fitted])
    monkeypatch.setattr("twofold.densities.rows._HELD", 8)
    found, _ = Splits(None, made_rows(pool.__getitem__, 50, 6)).score(fitted, fitted)
    np.testing.assert_allclose(found, expected, rtol=1e-9)
