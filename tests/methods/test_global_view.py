"""The global view: two starts, of which the likelier end counts."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import multivariate_normal

from twofold.densities import fit_adapted_gaussian, fit_trimmed
from twofold.methods import _global_view
from twofold.methods._global_view import fit_global

Array = NDArray[np.float64]

D = 20


def rows(n: int, seed: int) -> Array:
    """Of unequal variances."""
    return np.asarray(np.random.default_rng(seed).normal(size=(n, D)) * np.linspace(0.2, 2.0, D))


def flawed(n: int = 80, odd: int = 24) -> tuple[Array, NDArray[np.bool_]]:
    """A pool, 30% of which share a flaw in the directions in which normals vary least."""
    pool = rows(n, 1)
    pool[-odd:, :3] += 4.0
    return pool + 10.0, np.arange(n) >= n - odd


def test_the_source_start_sees_through_a_common_flaw() -> None:
    pool, odd = flawed()
    source = rows(60, 2)
    _, alone = fit_trimmed(source, pool, trim=0.25)
    view = fit_global(source, pool, trim=0.25, shrinkage="ledoit_wolf")
    # 56 are normal and 60 are kept.
    assert (view.kept & odd).sum() == 4
    assert (alone & odd).sum() > 6


def test_a_source_that_varies_otherwise_does_not_choose() -> None:
    """Its start would keep one of the pool's two kinds; the whole pool's end is likelier."""
    pool = rows(100, 3)
    source = rows(60, 4)[:, ::-1].copy()
    _, expected = fit_trimmed(source, pool, trim=0.25)
    start = _global_view._most_like_source(source, pool, trim=0.25, shrinkage="ledoit_wolf")
    _, other = fit_trimmed(source, pool, trim=0.25, start=start)
    likelier = max(
        (expected, other),
        key=lambda kept: _global_view._held_out(
            source, pool[kept], shrinkage="ledoit_wolf", random_state=5
        ),
    )
    view = fit_global(source, pool, trim=0.25, shrinkage="ledoit_wolf", random_state=5)
    assert np.array_equal(view.kept, likelier)


def test_without_a_source_there_is_one_start() -> None:
    pool, _ = flawed()
    view = fit_global(None, pool, trim=0.25, shrinkage="ledoit_wolf")
    _, kept = fit_trimmed(None, pool, trim=0.25)
    assert np.array_equal(view.kept, kept)


@pytest.mark.parametrize("source", [rows(1, 0), np.repeat(rows(1, 0), 5, axis=0)], ids=["1", "="])
def test_a_source_that_never_varies_gives_no_start(source: Array) -> None:
    pool, _ = flawed()
    view = fit_global(source, pool, trim=0.25, shrinkage="ledoit_wolf")
    _, kept = fit_trimmed(source, pool, trim=0.25)
    assert np.array_equal(view.kept, kept)


def test_the_likelihood_is_that_of_scipy() -> None:
    source, normals = rows(30, 5), rows(21, 6) + 3.0
    found = _global_view._held_out(source, normals, shrinkage="ledoit_wolf", random_state=7)
    order = np.random.default_rng(7).permutation(21)
    means = []
    for half, rest in ((order[::2], order[1::2]), (order[1::2], order[::2])):
        model = fit_adapted_gaussian(source, normals[half])
        precision = model.basis.T @ model.basis
        density = multivariate_normal(model.mean, np.linalg.inv(precision))
        means.append(density.logpdf(normals[rest]).mean())
    np.testing.assert_allclose(found, np.mean(means) + D / 2 * np.log(2 * np.pi))
