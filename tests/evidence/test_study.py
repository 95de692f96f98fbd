"""All findings about one pair of sets: finite, in range, repeatable."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from twofold.densities import multimodality
from twofold.evidence import Findings, study
from twofold.evidence.dominance import stability
from twofold.evidence.kinship import kinship
from twofold.evidence.majority import distance_skewness
from twofold.evidence.shift import mmd_test, two_sample_test

Array = NDArray[np.float64]
SHARES = {
    *("shift_auroc", "shift_p_value", "mmd_p_value", "kinship", "dominant_share"),
    *("stability_across", "two_modes_p_value", "top_overlap", "chance_overlap"),
}


def kind(n: int, seed: int, *, shift: float = 0.0) -> Array:
    """Unit vectors that vary mostly in five directions."""
    basis = np.random.default_rng(99).normal(size=(6, 30))
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(n, 5)) @ basis[:5] + rng.normal(size=(n, 30)) + shift * basis[5]
    return np.asarray(rows / np.linalg.norm(rows, axis=1, keepdims=True))


def look(source: Array, target: Array, **more: Any) -> Findings:
    given = {
        "names": tuple(f"image {row}" for row in range(len(target))),
        "adapted": np.square(target - target.mean(axis=0)).sum(axis=1),
        "random_state": 0,
    }
    result = study(source, target, **given | more)
    assert result is not None
    return result


@pytest.mark.slow
@pytest.mark.parametrize(("n", "m"), [(10, 10), (10, 300), (60, 80), (300, 11)])
@pytest.mark.parametrize("shift", [0.0, 2.0])
def test_every_figure_is_finite_and_in_range(n: int, m: int, shift: float) -> None:
    found = asdict(look(kind(n, 1), kind(m, 2, shift=shift)))
    for name in SHARES:
        assert 0.0 <= found[name] <= 1.0, name
    assert -2.0 <= found["mmd"] <= 2.0
    assert -1.0 <= found["kendall"] <= 1.0
    assert 0.0 <= found["minor_share_low"] <= found["minor_share"] <= 0.5
    assert found["dominant_share"] >= 0.5
    assert len(found["stability"]) == 3
    assert all(0.0 <= value <= 1.0 for value in found["stability"])
    assert found["shift_p_value"] > 0 < found["mmd_p_value"]
    plain = {type(value) for name, value in found.items() if name in SHARES}
    assert plain == {float}


@pytest.mark.slow
def test_each_figure_is_that_of_its_test() -> None:
    source, target = kind(40, 1), kind(50, 2, shift=2.0)
    found = look(source, target, random_state=3)
    told = two_sample_test(source, target, random_state=3)
    assert (found.shift_auroc, found.shift_p_value) == (told.auroc, told.p_value)
    mmd = mmd_test(source, target, random_state=3)
    assert (found.mmd, found.mmd_p_value) == (mmd.value, mmd.p_value)
    modes = multimodality(target, random_state=3)
    assert (found.two_modes_p_value, found.minor_share) == (modes.p_value, modes.minor_share)
    assert found.minor_share_low == modes.minor_low
    assert len(found.minor_images) == len(modes.typical)
    stable = stability(target, random_state=3)
    assert (found.stability, found.stability_across) == (stable.agreement, stable.across)
    assert found.dominant_share == stable.shares[0]
    skew = distance_skewness(target, random_state=3)
    assert found.distance_skewness == skew.value
    assert (found.distance_skewness_low, found.distance_skewness_high) == (skew.low, skew.high)


@pytest.mark.slow
def test_only_the_agreement_of_rankings_depends_on_the_method() -> None:
    source, target = kind(40, 1), kind(50, 2, shift=2.0)
    one, other = (
        asdict(look(source, target, adapted=np.random.default_rng(seed).normal(size=50)))
        for seed in (0, 1)
    )
    changed = {name for name in one if one[name] != other[name]}
    assert changed <= {"kendall", "top_overlap"}
    assert "kendall" in changed


def test_kinship_leaves_far_images_out() -> None:
    source, target = kind(60, 1), kind(60, 2, shift=2.0)
    target[:12] += 3.0 * np.random.default_rng(0).normal(size=(12, 30))
    found = look(source, target)
    expected = kinship(source, target[12:], random_state=0).value
    assert found.kinship == pytest.approx(expected, abs=0.1)
    assert found.kinship > kinship(source, target, random_state=0).value + 0.1
    assert found.kinship_low <= found.kinship <= found.kinship_high


@pytest.mark.slow
def test_a_shift_is_told_from_none() -> None:
    same, moved = (look(kind(60, 1), kind(80, 2, shift=s)) for s in (0.0, 3.0))
    assert same.shift_auroc < 0.7 < 0.95 < moved.shift_auroc
    assert same.mmd < 0.05 < moved.mmd
    assert moved.shift_p_value < 0.01 > moved.mmd_p_value


@pytest.mark.slow
def test_names_at_both_ends() -> None:
    source, target = kind(30, 1), kind(40, 2, shift=2.0)
    target[7], target[31] = source.mean(axis=0), -5.0 * source.mean(axis=0)
    names = tuple(f"{row}.png" for row in range(40))
    found = look(source, target, names=names)
    order = np.argsort(np.square(target - source.mean(axis=0)).sum(axis=1))
    assert found.most_like_source == tuple(names[row] for row in order[:5])
    assert found.least_like_source == tuple(names[row] for row in order[::-1][:5])
    assert (found.most_like_source[0], found.least_like_source[0]) == ("7.png", "31.png")


@pytest.mark.slow
def test_agreement_of_the_rankings() -> None:
    source, target = kind(30, 1), kind(40, 2)
    distances = np.square(target - source.mean(axis=0)).sum(axis=1)
    same = look(source, target, adapted=distances)
    assert same.kendall == pytest.approx(1.0)
    assert (same.top_overlap, same.chance_overlap) == (1.0, 0.1)
    opposite = look(source, target, adapted=-distances)
    assert opposite.kendall == pytest.approx(-1.0)
    assert opposite.top_overlap == 0.0


@pytest.mark.parametrize(("n", "m"), [(9, 40), (40, 9), (0, 0), (9, 9)])
def test_too_few_images_for_any_finding(n: int, m: int) -> None:
    names = tuple(str(row) for row in range(m))
    given = {"names": names, "adapted": np.zeros(m), "random_state": 0}
    assert study(kind(n, 1), kind(m, 2), **given) is None  # type: ignore[arg-type]


def test_copies_and_equal_scores_are_no_accident() -> None:
    one = np.repeat(kind(1, 1), 30, axis=0)
    found = asdict(look(one, one, adapted=np.zeros(30)))
    assert all(np.isfinite(found[name]) for name in SHARES | {"mmd", "kendall", "minor_share"})
    assert (found["shift_auroc"], found["mmd"], found["kendall"]) == (0.5, 0.0, 0.0)


@pytest.mark.slow
def test_deterministic_and_inputs_left_alone() -> None:
    source, target = kind(40, 1), kind(50, 2)
    adapted = np.square(target - target.mean(axis=0)).sum(axis=1)
    before = [array.copy() for array in (source, target, adapted)]
    found = look(source, target, adapted=adapted, random_state=5)
    assert found == look(source, target, adapted=adapted, random_state=5)
    assert found != look(source, target, adapted=adapted, random_state=6)
    for array, expected in zip((source, target, adapted), before, strict=True):
        np.testing.assert_array_equal(array, expected)
