"""Kinship of variations: against the definition, on kin, on strangers and at the edges."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.errors import NotEnoughImagesError
from twofold.evidence import kinship as module
from twofold.evidence.kinship import Kinship, kinship

Array = NDArray[np.float64]
D = 200
UNKNOWN = Kinship(0.0, 0.0, 1.0)


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
    shares = []
    for _ in range(20):
        order = rng.permutation(60)
        lent = source[rng.choice(50, 25, replace=False)]
        shuffled = rng.permuted(lent, axis=0)
        own = target[order[30:55]]
        shares.append([share_of_variance(target[order[:30]], b, 12) for b in (lent, shuffled, own)])
    lent_mean, chance, most = np.mean(shares, axis=0)
    value = (lent_mean - chance) / (most - chance)
    assert 0.1 < value < 0.95
    rest = [(s[0] - s[1] - value * (s[2] - s[1])) / (most - chance) for s in shares]
    wide = 1.6448536269514722 * np.std(rest, ddof=1)
    found = kinship(source, target, random_state=9)
    expected = np.clip([value - wide, value, value + wide], 0.0, 1.0)
    assert (found.low, found.value, found.high) == pytest.approx(tuple(expected))


@pytest.mark.slow
def test_the_interval_holds_the_value_of_many_images() -> None:
    def pair(n: int, seed: int) -> tuple[Array, Array]:
        return kind(n, seed), kind(n, seed + 500) + kind(n, seed + 900, directions=1)

    truth = kinship(*pair(400, 7), random_state=0).value
    found = [kinship(*pair(60, s), random_state=s) for s in range(20)]
    assert sum(k.low <= truth <= k.high for k in found) >= 15
    assert np.median([k.high - k.low for k in found]) < 0.5


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(20, 20), (60, 80), (300, 120), (1500, 1200)])
def test_kin_and_strangers(n: int, m: int) -> None:
    kin = [kinship(kind(n, s), kind(m, s + 50), random_state=s) for s in range(5)]
    assert min(k.value for k in kin) > 0.85
    assert all(k.high > 0.95 for k in kin)
    strangers = [
        kinship(kind(n, s), kind(m, s + 50, directions=1), random_state=s) for s in range(5)
    ]
    assert max(k.value for k in strangers) < 0.2
    assert {type(k.value) for k in kin + strangers} == {float}


def test_half_related_lies_between() -> None:
    target = kind(200, 3) + kind(200, 4, directions=1)
    half = kinship(kind(200, 1), target, random_state=0).value
    whole = kinship(kind(200, 1) + kind(200, 2, directions=1), target, random_state=0).value
    assert 0.3 < half < 0.7 < 0.95 < whole


@pytest.mark.parametrize("seed", range(3))
def test_the_mean_and_the_scale_do_not_matter(seed: int) -> None:
    source, target = kind(60, seed), kind(70, seed + 10, directions=seed)
    expected = kinship(source, target, random_state=seed)
    moved = kinship(source * 3.0, 0.2 * target + 7.0, random_state=seed)
    assert moved.value == pytest.approx(expected.value)
    assert (moved.low, moved.high) == pytest.approx((expected.low, expected.high))


def test_a_target_without_directions_of_its_own_is_unknown() -> None:
    rng = np.random.default_rng(0)
    for n in (100, 400):
        white, other = rng.normal(size=(2, n, D))
        assert kinship(white, other, random_state=0) == UNKNOWN
    constant = np.ones((20, D))
    for source, target in ((constant, constant), (white, constant), (constant, white)):
        assert kinship(source, target, random_state=0) == UNKNOWN


def test_never_outside_the_scale() -> None:
    """Of eight images a half is four: the source may explain them better than their own half."""
    for seed in range(20):
        source, target = kind(200, seed), kind(8, seed + 50, directions=seed % 2)
        found = kinship(source, target, random_state=seed)
        assert 0.0 <= found.low <= found.value <= found.high <= 1.0


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
    whole = kinship(source, target, random_state=0).value
    monkeypatch.setattr(module, "MOST_ROWS", 100)
    assert kinship(source, target, random_state=0).value == pytest.approx(whole, abs=0.05)


def test_too_few_images() -> None:
    eight = kind(8, 0)
    assert 0 <= kinship(eight, kind(8, 1), random_state=0).value <= 1
    with pytest.raises(NotEnoughImagesError, match="at least 8 source images, got 7"):
        kinship(eight[:7], eight, random_state=0)
    with pytest.raises(NotEnoughImagesError, match="at least 8 target images, got 0"):
        kinship(eight, eight[:0], random_state=0)
