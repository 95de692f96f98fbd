"""Patch Gaussians of a few images of every degenerate kind: finite, or a named error."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.support.small_samples import KINDS, SIZES, STATES, end, finite, partner, sample, within
from threadpoolctl import threadpool_limits

from twofold.errors import NotEnoughImagesError, UsageError
from twofold.eyes import (
    PatchGaussians,
    as_places,
    choose_source_weight,
    fit_patch_gaussians,
    fit_trimmed_patches,
    most_like_source,
    patch_moments,
    place_weight,
)

Floats = NDArray[np.float32]


@pytest.fixture(autouse=True, scope="module")
def _one_thread() -> Iterator[None]:
    """Threads that wait for each other make products this small many times slower."""
    with threadpool_limits(1):
        yield


def patches_of(rows: NDArray[np.float64], *, varied: bool) -> Floats:
    """Patches (n, c, 3, 3): the same everywhere, or more of it from place to place."""
    places = np.arange(1.0, 10.0).reshape(3, 3) if varied else np.ones((3, 3))
    return np.asarray(rows[:, :, None, None] * places, dtype=np.float32)


def check(model: PatchGaussians | None, patches: Floats) -> None:
    """All that a fit says is finite."""
    if model is not None:
        assert finite(model.mean, model.whitening, model.log_determinant)
        assert finite(model.squared_distances(patches), model.of_places(as_places(patches)))


@pytest.mark.slow
@pytest.mark.parametrize("shared", [False, True])
@KINDS
@STATES
def test_fits(shared: bool, kind: str, states: range) -> None:
    for n, state in ((n, state) for n in SIZES for state in states):
        for varied in (False, True):
            patches = patches_of(sample(kind, n, state), varied=varied)
            places = as_places(patches)
            assert places.shape == (9, n, patches.shape[1])
            moments = end(patch_moments, places, shared=shared)
            known = end(
                patch_moments,
                as_places(patches_of(partner(kind, 8, state), varied=varied)),
                shared=shared,
            )
            if moments is None or known is None:
                assert n == 0 or "huge" in kind
                continue
            assert finite(moments.mean, moments.covariance, moments.fourth)
            assert within(0, 1, place_weight(moments))
            for regularisation in (None, 0.01, 1e-6):
                model = end(fit_patch_gaussians, moments, regularisation=regularisation)
                check(model, patches)
            check(end(fit_patch_gaussians, known, moments), patches)
            for source in (None, known):
                fitted = end(fit_trimmed_patches, source, places, trim=0.25, shared=shared)
                check(fitted and fitted[0], patches)
            options: dict[str, Any] = {"random_state": state, "shared": shared}
            chosen = end(choose_source_weight, known, places, np.ones(n, dtype=bool), **options)
            assert chosen is None or finite(list(chosen.log_likelihoods.values()))
            kept = end(most_like_source, known, places, trim=0.25)
            assert kept is None or kept.any()


def test_an_empty_pool() -> None:
    places = as_places(np.empty((0, 4, 3, 3)))
    known = patch_moments(as_places(np.random.default_rng(0).normal(size=(5, 4, 3, 3))))
    for use in (
        lambda: patch_moments(places),
        lambda: fit_trimmed_patches(known, places, trim=0.25),
        lambda: most_like_source(known, places, trim=0.25),
    ):
        with pytest.raises(NotEnoughImagesError, match="got 0"):
            use()


def test_squares_beyond_float32() -> None:
    patches = 1e30 * np.random.default_rng(0).normal(size=(5, 4, 3, 3))
    with pytest.raises(UsageError, match="too large: scale them down"):
        patch_moments(as_places(patches))


@pytest.mark.parametrize("regularisation", [None, 0.01, 1e-6])
@pytest.mark.parametrize("shared", [False, True])
@pytest.mark.parametrize(("p", "n", "c"), [(9, 200, 8), (25, 300, 32)])
def test_one_place_varies_and_the_others_are_blank(
    regularisation: float | None, shared: bool, p: int, n: int, c: int
) -> None:
    """Rounding of its float32 moments exceeds what the blank places add to its variance."""
    rng = np.random.default_rng(0)
    for values in (
        rng.normal(size=(n, c)),
        rng.normal(size=(2, c))[np.arange(n) % 2],
        100.0 * rng.normal(size=c) * (np.arange(n) == 0)[:, None],
    ):
        places = np.full((p, n, c), 0.7, dtype=np.float32)
        places[3] += values.astype(np.float32)
        moments = patch_moments(places, shared=shared)
        model = fit_patch_gaussians(moments, regularisation=regularisation)
        assert finite(model.whitening, model.log_determinant, model.of_places(places))
        # No direction is told apart more finely than the least variance allows.
        level = float(np.trace(moments.covariance, axis1=1, axis2=2).mean()) / c
        longest = np.linalg.norm(model.whitening[3 if not shared else 0], ord=2)
        assert longest <= 1.5 / np.sqrt(1e-6 * level)
