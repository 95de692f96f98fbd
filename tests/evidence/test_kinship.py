"""Kinship of variations: against the definition, on kin, on strangers and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError
from twofold.evidence import kinship as module
from twofold.evidence.kinship import kinship

Array = NDArray[np.float64]
D = 200


def kind(n: int, seed: int, *, directions: int = 0, rank: int = 5) -> Array:
    """A sample that varies mostly in `rank` directions, drawn with a seed of their own."""
    basis = np.random.default_rng(directions).normal(size=(rank, D))
    rng = np.random.default_rng([seed, 1])
    return np.asarray(rng.normal(size=(n, rank)) @ basis + 0.3 * rng.normal(size=(n, D)))


def share_of_variance(rows: Array, basis: Array, k: int) -> float:
    """The definition, by eigenvectors of the covariance."""
    _, vectors = np.linalg.eigh(np.cov(basis.T))
    rows = rows - rows.mean(axis=0)
    return float(sum(((rows @ v) ** 2).sum() for v in vectors.T[-k:]) / (rows**2).sum())


def test_equals_the_definition() -> None:
    source = kind(50, 1)
    target = kind(60, 3) + kind(60, 4, directions=1)
    rng = np.random.default_rng(9)
    order = rng.permutation(60)
    held_out, own = target[order[:30]], target[order[30:]]
    shuffled = rng.permuted(source, axis=0)
    lent, chance, most = (share_of_variance(held_out, b, 15) for b in (source, shuffled, own))
    assert 0.1 < (lent - chance) / (most - chance) < 0.95
    found = kinship(source, target, random_state=9)
    assert found == pytest.approx((lent - chance) / (most - chance))


@pytest.mark.parametrize(("n", "m"), [(20, 20), (60, 80), (300, 120), (1500, 1200)])
def test_kin_and_strangers(n: int, m: int) -> None:
    kin = [kinship(kind(n, s), kind(m, s + 50), random_state=s) for s in range(5)]
    assert min(kin) > 0.95
    strangers = [
        kinship(kind(n, s), kind(m, s + 50, directions=1), random_state=s) for s in range(5)
    ]
    assert max(strangers) < 0.2
    assert {type(value) for value in kin + strangers} == {float}


def test_half_related_lies_between() -> None:
    target = kind(200, 3) + kind(200, 4, directions=1)
    half = kinship(kind(200, 1), target, random_state=0)
    whole = kinship(kind(200, 1) + kind(200, 2, directions=1), target, random_state=0)
    assert 0.3 < half < 0.7 < 0.95 < whole


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_and_the_scale_do_not_matter(seed: int) -> None:
    source, target = kind(60, seed), kind(70, seed + 10, directions=seed)
    expected = kinship(source, target, random_state=seed)
    moved = kinship(source * 3.0, 0.2 * target + 7.0, random_state=seed)
    assert moved == pytest.approx(expected)


def test_a_target_without_directions_of_its_own_has_no_kin() -> None:
    rng = np.random.default_rng(0)
    for n in (100, 400):
        white, other = rng.normal(size=(2, n, D))
        assert kinship(white, other, random_state=0) == 0.0
    constant = np.ones((20, D))
    for source, target in ((constant, constant), (white, constant), (constant, white)):
        assert kinship(source, target, random_state=0) == 0.0


def test_never_outside_the_scale() -> None:
    """Of eight images a half is four: the source may explain them better than their own half."""
    for seed in range(20):
        source, target = kind(200, seed), kind(8, seed + 50, directions=seed % 2)
        assert 0.0 <= kinship(source, target, random_state=seed) <= 1.0
    same = kind(30, 0)
    assert kinship(same, same, random_state=0) == 1.0


def test_deterministic_and_inputs_left_alone() -> None:
    source = kind(40, 1).astype(np.float32)
    target = (0.8 * kind(50, 2) + kind(50, 3, directions=1)).astype(np.float32)
    before = source.copy(), target.copy()
    found = kinship(source, target, random_state=3)
    assert found == kinship(source, target, random_state=3)
    assert found != kinship(source, target, random_state=4)
    np.testing.assert_array_equal(source, before[0])
    np.testing.assert_array_equal(target, before[1])


def test_large_sets_are_thinned(monkeypatch: pytest.MonkeyPatch) -> None:
    source, target = kind(400, 1), kind(300, 2)
    whole = kinship(source, target, random_state=0)
    monkeypatch.setattr(module, "_MOST_ROWS", 100)
    assert kinship(source, target, random_state=0) == pytest.approx(whole, abs=0.05)


def test_too_few_images() -> None:
    eight = kind(8, 0)
    assert 0 <= kinship(eight, kind(8, 1), random_state=0) <= 1
    with pytest.raises(NotEnoughImagesError, match="at least 8 source images, got 7"):
        kinship(eight[:7], eight, random_state=0)
    with pytest.raises(NotEnoughImagesError, match="at least 8 target images, got 0"):
        kinship(eight, eight[:0], random_state=0)
