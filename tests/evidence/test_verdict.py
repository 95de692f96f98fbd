"""The verdict: every form with its reason, exactly where one turns into another."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from tests.support.evidence import SHIFTED

from twofold.errors import ConfigError
from twofold.evidence import ADAPT, DO_NOT_TRUST, NO_SHIFT, Verdict, judge

UNKNOWN = (
    "how many anomalies the pool holds is unknown: look at the highest-ranked images, or judge 20 "
    "images drawn at random"
)
TOLD = "held-out images are told apart with an AUROC of 0.90"


def verdict(**findings: Any) -> Verdict:
    """On plenty of images."""
    found = replace(SHIFTED, **findings)
    return judge(found, n_source=60, n_target=80, false_alarm_rate=0.05)


def below(value: float) -> float:
    return float(np.nextafter(value, -1.0))


def above(value: float) -> float:
    return float(np.nextafter(value, 2.0))


def test_adapt() -> None:
    found = verdict()
    assert found.verdict == ADAPT == "adapt"
    assert found.reasons == (f"a shift ({TOLD}) and no sign against one dominant mode", UNKNOWN)


def test_a_lesser_group_apart_is_named() -> None:
    found = verdict(two_modes_p_value=0.02, minor_share=0.12, minor_share_low=0.1)
    assert found.verdict == ADAPT
    assert found.reasons == (
        f"a shift ({TOLD}) and one dominant mode",
        "12% of the pool lies apart from the rest (p = 0.020), such as c, d: fits of whole "
        "images take it for anomalous; if it is normal, put some of its images into the source",
        UNKNOWN,
    )
    for changes in ({"two_modes_p_value": above(0.02)}, {"minor_share": above(0.25)}):
        given = {"two_modes_p_value": 0.02, "minor_share": 0.25, "minor_share_low": 0.1}
        assert "lies apart" not in " ".join(verdict(**given | changes).reasons)


def test_no_shift() -> None:
    found = verdict(shift_auroc=0.6)
    assert found.verdict == NO_SHIFT == "no shift: source detector suffices"
    alike = f"source and target look alike: {TOLD.replace('0.90', '0.60')}"
    assert found.reasons == (alike, UNKNOWN)
    # However small the p-value: how much they differ decides, and nobody cares for kinship then.
    assert verdict(shift_auroc=0.6, shift_p_value=0.001, kinship_high=0.0).verdict == NO_SHIFT


def test_no_dominant_mode() -> None:
    found = verdict(two_modes_p_value=0.01, minor_share=0.42)
    assert found.verdict == "do not trust: no dominant mode"
    groups = "the pool falls into two groups of 58% and 42% (p = 0.010); the fit can bear 25%"
    assert found.reasons == (groups, TOLD, UNKNOWN)
    # Two modes are a doubt without a shift, too.
    alike = verdict(two_modes_p_value=0.01, minor_share=0.42, shift_auroc=0.5)
    assert alike.verdict == found.verdict


def test_no_majority_lies_together() -> None:
    found = verdict(distance_skewness=-0.3, distance_skewness_high=-0.1)
    assert found.verdict == "do not trust: no dominant mode"
    assert found.reasons == (
        "most images of the pool lie far from each other (skewness of their distances -0.30, at "
        "most -0.10)",
        TOLD,
        UNKNOWN,
    )
    # A value below 0 alone may be chance.
    assert verdict(distance_skewness=-0.3, distance_skewness_high=0.1).verdict == ADAPT


def test_unrelated_target() -> None:
    found = verdict(kinship=0.02, kinship_high=0.04)
    assert found.verdict == "do not trust: unrelated target"
    assert found.reasons == (
        "the target does not vary like the source (kinship 0.02 of 1, at most 0.04): is it the "
        "same kind of object?",
        TOLD,
        UNKNOWN,
    )
    # Of few images the interval is wide, and of copies nothing is known.
    assert verdict(kinship=0.02, kinship_high=0.2).verdict == ADAPT
    assert verdict(kinship=0.0, kinship_low=0.0, kinship_high=1.0).verdict == ADAPT


def test_all_doubts_in_order() -> None:
    found = verdict(
        two_modes_p_value=0.01, minor_share=0.5, kinship_high=0.0, distance_skewness_high=-0.1
    )
    assert found.verdict == "do not trust: no dominant mode"
    # One reason of the two against a dominant mode is enough.
    starts = ("the pool falls", "the target does not vary", TOLD, "how many")
    assert len(found.reasons) == len(starts)
    for reason, start in zip(found.reasons, starts, strict=True):
        assert reason.startswith(start)
        assert "\n" not in reason


@pytest.mark.parametrize(
    ("field", "trusted", "doubted"),
    [
        ("two_modes_p_value", above(0.02), 0.02),
        ("minor_share_low", 0.25, above(0.25)),
        ("kinship_high", 0.05, below(0.05)),
        ("distance_skewness_high", 0.0, below(0.0)),
    ],
)
def test_boundaries_of_the_doubts(field: str, trusted: float, doubted: float) -> None:
    mode = {"two_modes_p_value": 0.02, "minor_share_low": 0.35}
    edge: dict[str, Any] = mode if field in mode else {}
    assert verdict(**edge | {field: trusted}).verdict == ADAPT
    assert verdict(**edge | {field: doubted}).verdict.startswith(DO_NOT_TRUST)


def test_boundaries_of_the_shift() -> None:
    assert verdict(shift_auroc=0.75).verdict == ADAPT
    assert verdict(shift_auroc=below(0.75)).verdict == NO_SHIFT
    assert verdict(shift_auroc=0.75, kinship_high=0.0).verdict.startswith(DO_NOT_TRUST)


@pytest.mark.parametrize(
    ("n_source", "n_target", "few", "count"),
    [
        (60, 9, "target", 9),
        (9, 80, "source", 9),
        (0, 0, "source", 0),
        (10, 0, "target", 0),
    ],
)
def test_too_few_images(n_source: int, n_target: int, few: str, count: int) -> None:
    for findings in (None, SHIFTED):
        found = judge(findings, n_source=n_source, n_target=n_target, false_alarm_rate=0.05)
        assert found.verdict == f"do not trust: too few {few} images"
        assert found.reasons == (f"{count} {few} images, at least 10 are needed",)


@pytest.mark.parametrize(("n_source", "n_target", "rate"), [(10, 19, 0.05), (10, 10, 0.5)])
def test_just_enough_images(n_source: int, n_target: int, rate: float) -> None:
    found = judge(SHIFTED, n_source=n_source, n_target=n_target, false_alarm_rate=rate)
    assert found.verdict == ADAPT
    assert len(found.reasons) == 2


@pytest.mark.parametrize(("n_target", "rate", "needed"), [(10, 0.05, 19), (98, 0.01, 99)])
def test_too_few_images_for_the_rate_still_rank(n_target: int, rate: float, needed: int) -> None:
    found = judge(SHIFTED, n_source=60, n_target=n_target, false_alarm_rate=rate)
    assert found.verdict == ADAPT
    assert found.reasons[1] == (
        f"{n_target} target images rank new ones, but support no false-alarm rate below "
        f"{1 / (n_target + 1):.3g}; {rate:g} needs {needed}"
    )


def test_images_of_one_group_are_no_more_than_one() -> None:
    found = judge(SHIFTED, n_source=60, n_target=80, n_groups=12, false_alarm_rate=0.05)
    assert found.reasons[1].startswith("12 independent of 80 target images rank new ones")
    assert f"below {1 / 13:.3g}; 0.05 needs 19" in found.reasons[1]
    few = judge(SHIFTED, n_source=60, n_target=80, n_groups=9, false_alarm_rate=0.05)
    assert few.reasons == ("9 independent of 80 target images, at least 10 are needed",)


def test_an_impossible_rate_is_an_error() -> None:
    with pytest.raises(ConfigError, match="strictly between 0 and 1"):
        judge(SHIFTED, n_source=60, n_target=80, false_alarm_rate=1.0)
