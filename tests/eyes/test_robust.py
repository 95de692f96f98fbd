"""The robust fit on planted images, the source's part, and what a place explains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray
from tests.eyes.patch_worlds import draw

from twofold.errors import CollapseError, ConfigError, NotEnoughImagesError
from twofold.eyes import (
    as_places,
    choose_source_weight,
    fit_patch_gaussians,
    fit_trimmed_patches,
    most_like_source,
    patch_moments,
    place_weight,
    top_mean,
)


def planted(n: int = 60, odd: int = 6) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Patches, the last ``odd`` of which have one strange patch; and which they are."""
    patches = draw(n)
    patches[-odd:, :, 1, 2] += 6
    return patches, np.arange(n) >= n - odd


@pytest.mark.parametrize("with_source", [False, True])
def test_images_with_one_strange_patch_are_left_out_whole(with_source: bool) -> None:
    patches, odd = planted()
    source = patch_moments(as_places(draw(40, seed=3))) if with_source else None
    model, kept = fit_trimmed_patches(source, as_places(patches), trim=0.25)
    assert kept.sum() == 45
    assert not (kept & odd).any()
    expected = fit_patch_gaussians(patch_moments(as_places(patches), kept), source)
    assert np.array_equal(model.whitening, expected.whitening)


def test_without_the_trimming_they_spoil_the_fit() -> None:
    patches, odd = planted()
    places = as_places(patches)
    (plain, everyone), (robust, _) = (
        fit_trimmed_patches(None, places, trim=trim) for trim in (0.0, 0.25)
    )
    assert everyone.all()
    strange = [np.median(model.squared_distances(patches[odd])[:, 5]) for model in (plain, robust)]
    assert strange[1] > 5 * strange[0]


def test_known_images_are_kept() -> None:
    patches, odd = planted()
    places, known = as_places(patches), odd & (np.arange(60) % 2 == 0)
    source = patch_moments(as_places(draw(40, seed=3)))
    found = (
        fit_trimmed_patches(None, places, trim=0.25, known=known)[1],
        most_like_source(source, places, trim=0.25, known=known),
    )
    for kept in found:
        assert kept.sum() == 45
        assert kept[known].all()
    # However many they are.
    assert fit_trimmed_patches(None, places, trim=0.25, known=kept >= 0)[1].all()


def test_the_kept_images_stand_still_or_the_steps_end() -> None:
    patches, _ = planted()
    places = as_places(patches)
    model, kept = fit_trimmed_patches(None, places, trim=0.25, max_iterations=50)
    _, again = fit_trimmed_patches(None, places, trim=0.25, start=kept, max_iterations=50)
    assert np.array_equal(kept, again)
    _, none = fit_trimmed_patches(None, places, trim=0.25, max_iterations=0)
    assert none.all()  # The fit is of all, and there is no step.
    first, one = fit_trimmed_patches(None, places, trim=0.25, max_iterations=1)
    assert one.sum() == 45
    expected = fit_patch_gaussians(patch_moments(places, one))
    assert np.array_equal(first.whitening, expected.whitening)
    assert np.isfinite(model.squared_distances(patches)).all()


def test_the_start_is_used_and_a_useless_one_is_not() -> None:
    places = as_places(draw(20))
    start = np.arange(20) < 12
    model, kept = fit_trimmed_patches(None, places, trim=0.25, start=start, max_iterations=0)
    assert np.array_equal(kept, start)
    expected = fit_patch_gaussians(patch_moments(places, start))
    assert np.array_equal(model.whitening, expected.whitening)
    _, kept = fit_trimmed_patches(None, places, trim=0.0, start=np.arange(20) < 1)
    assert kept.all()


@pytest.mark.parametrize("n", [2, 3, 4])
@pytest.mark.parametrize("trim", [0.0, 0.25, 0.5])
def test_few_images(n: int, trim: float) -> None:
    patches = draw(n)
    model, kept = fit_trimmed_patches(None, as_places(patches), trim=trim)
    assert kept.sum() >= 2
    assert np.isfinite(model.squared_distances(patches)).all()


def test_refusals() -> None:
    places = as_places(draw(9))
    for trim in (-0.1, 0.6):
        with pytest.raises(ConfigError, match=r"trim must lie in \[0, 0.5\]"):
            fit_trimmed_patches(None, places, trim=trim)
    with pytest.raises(NotEnoughImagesError):
        fit_trimmed_patches(None, places[:, :1], trim=0.25)
    with pytest.raises(CollapseError):
        fit_trimmed_patches(None, np.ones_like(places), trim=0.25)


def test_the_source_knows_a_flaw_that_half_as_many_as_all_have_in_common() -> None:
    patches, odd = planted(odd=20)
    source = patch_moments(as_places(draw(80, seed=3) + np.float32(5)))
    start = most_like_source(source, as_places(patches), trim=0.25)
    assert start.sum() == 45
    assert (start & odd).sum() == 5  # 40 are normal
    center = np.median(as_places(patches), axis=1)
    distances = np.empty((len(patches), len(center)))
    for place, mean in enumerate(center):
        moved = replace(source, mean=np.broadcast_to(mean, source.mean.shape))
        whole = fit_patch_gaussians(moved).of_places(as_places(patches))
        distances[:, place] = whole[:, place]
    assert set(np.flatnonzero(start)) == set(np.argsort(top_mean(distances))[:45])


def test_with_one_gaussian_for_all_places_the_start_has_one_centre() -> None:
    patches, odd = planted(odd=20)
    patches[odd] += np.float32(20)
    source = patch_moments(as_places(draw(80, seed=3) + np.float32(5)), shared=True)
    start = most_like_source(source, as_places(patches), trim=0.25)
    assert start[~odd].all()
    center = np.median(np.median(as_places(patches), axis=1), axis=0)
    model = fit_patch_gaussians(replace(source, mean=center[None].astype(np.float64)))
    distances = top_mean(model.squared_distances(patches))
    assert set(np.flatnonzero(start)) == set(np.argsort(distances)[:45])


def test_a_source_that_varies_in_other_directions_is_not_let_in() -> None:
    pool, source = draw(120), draw(200, seed=1, world=5)
    everyone = np.ones(120, dtype=np.bool_)
    chosen = choose_source_weight(
        patch_moments(as_places(source)), as_places(pool), everyone, random_state=0
    )
    assert chosen.value == 0
    assert set(chosen.log_likelihoods) == {0.0, 0.3, 1.0}
    assert chosen.log_likelihoods[0.0] == max(chosen.log_likelihoods.values())


def test_a_source_that_varies_alike_helps_a_tiny_target() -> None:
    pool, source = draw(6), draw(200, seed=1, mean=9.0)
    chosen = choose_source_weight(
        patch_moments(as_places(source)),
        as_places(pool),
        np.ones(6, dtype=np.bool_),
        random_state=0,
    )
    assert chosen.value > 0


def test_the_likelihoods_are_those_of_a_slow_loop() -> None:
    """Mean log-density of a held-out patch, but for what does not depend on the weight."""
    pool, near = draw(30), patch_moments(as_places(draw(50, seed=1)))
    kept = np.arange(30) % 5 != 0
    places = as_places(pool)
    found = choose_source_weight(near, places, kept, random_state=3, weights=(0.0, 0.7))
    order = np.random.default_rng(3).permutation(np.flatnonzero(kept))
    for weight, likelihood in found.log_likelihoods.items():
        means = []
        for inside, outside in ((order[::2], order[1::2]), (order[1::2], order[::2])):
            rows = np.isin(np.arange(30), inside)
            model = fit_patch_gaussians(patch_moments(places, rows), near, source_weight=weight)
            distances = model.squared_distances(pool[outside])
            means.append(np.mean(-0.5 * (distances + model.log_determinant)))
        assert likelihood == pytest.approx(np.mean(means), rel=1e-4)


def test_images_that_are_not_kept_do_not_matter() -> None:
    pool, near = draw(40), patch_moments(as_places(draw(50, seed=1)))
    kept = np.arange(40) < 30
    other = pool.copy()
    other[~kept] += 50
    one, two = (
        choose_source_weight(near, as_places(patches), kept, random_state=0)
        for patches in (pool, other)
    )
    assert one == two


def test_too_few_to_hold_out_need_the_source() -> None:
    places, everyone = as_places(draw(3)), np.ones(3, dtype=np.bool_)
    near = patch_moments(as_places(draw(50, seed=1)))
    assert choose_source_weight(near, places, everyone, random_state=0).value == 1.0
    assert choose_source_weight(None, places, everyone, random_state=0).value == 0.0
    many = np.ones(40, dtype=np.bool_)
    assert choose_source_weight(None, as_places(draw(40)), many, random_state=0).value == 0.0


def test_a_tie_goes_to_the_lesser_weight() -> None:
    """A source of one image has no spread, and what it adds only narrows."""
    nothing = patch_moments(as_places(draw(2, seed=1)))
    still = type(nothing)(0, nothing.mean, nothing.covariance, nothing.fourth)
    places = as_places(draw(40))
    chosen = choose_source_weight(still, places, np.ones(40, dtype=np.bool_), random_state=0)
    assert len(set(chosen.log_likelihoods.values())) == 1
    assert chosen.value == 0.0


def test_the_place_explains_everything_or_nothing() -> None:
    share, weight = place_weight(patch_moments(as_places(draw(200, mean=30.0))))
    assert share > 0.99
    assert weight > 0.999
    # Means of places that are those of chance alone.
    same = np.random.default_rng(0).normal(size=(200, 6, 3, 3)).astype(np.float32)
    share, weight = place_weight(patch_moments(as_places(same)))
    assert share < 0.02
    assert weight < 1e-3


def test_the_share_is_the_explained_part_of_the_variance() -> None:
    patches = draw(50, mean=1.5)
    share, weight = place_weight(patch_moments(as_places(patches)))
    rows = patches.transpose(0, 2, 3, 1).reshape(50, 9, 6).astype(np.float64)
    total = np.square(rows - rows.mean(axis=(0, 1))).sum()
    within = np.square(rows - rows.mean(axis=0)).sum()
    spread = within / (9 * 49)  # Unbiased.
    apart = (total - within) / (9 * 50) - spread / 50  # Less what fifty images give by chance.
    assert share == pytest.approx(apart / (apart + spread), rel=1e-5)
    assert weight == pytest.approx(share**2 / (share**2 + (1 - share) ** 2))


def test_a_few_images_explain_no_more_than_many() -> None:
    """Without the correction, three images without any structure would give a share of a third."""
    rng = np.random.default_rng(0)
    shares = [
        place_weight(patch_moments(as_places(rng.normal(size=(3, 6, 5, 5)).astype(np.float32))))[0]
        for _ in range(100)
    ]
    assert np.mean(shares) < 0.05
    one = rng.normal(size=(1, 6, 5, 5)).astype(np.float32)
    assert place_weight(patch_moments(as_places(one))) == (0.0, 0.0)


def test_patches_that_never_vary_say_nothing() -> None:
    assert place_weight(patch_moments(np.ones((9, 5, 6), dtype=np.float32))) == (0.0, 0.0)
