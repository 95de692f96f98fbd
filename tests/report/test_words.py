"""The answer in sentences."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from tests.support.evidence import EVIDENCE

from twofold.report.ladder import Step
from twofold.report.words import Answer, answer


def say(**changes: Any) -> Answer:
    given: dict[str, Any] = {
        "n_images": 130,
        "n_usable": 130,
        "n_flagged": 20,
        "n_near": 3,
        "step": Step(0.05, 3.0, 6.5, 1, 13),
        "origin": "target",
        "evidence": EVIDENCE,
        "labelled": False,
    }
    return answer(**(given | changes))


def test_more_flags_than_false_alarms_explain() -> None:
    found = say()
    assert found.headline == "20 images of 130 flagged as anomalous."
    assert "at most 5%" in found.alarms
    assert "about 7 would be flagged (in 95 of 100 cases 1 to 13)" in found.alarms
    assert "at least 7 of them are not explained" in found.alarms
    assert found.trust == "yes"
    assert found.rests_on == ("a shift",)
    assert any("twofold review" in line for line in found.next_steps)


@pytest.mark.parametrize("flagged", [13, 1, 0])
def test_no_more_flags_than_normal_images_give(flagged: int) -> None:
    found = say(n_flagged=flagged)
    assert "not explained" not in found.alarms
    assert ("None is flagged" in found.alarms) == (flagged == 0)
    assert any("flagged images below" in line for line in found.next_steps) == (flagged > 0)


def test_a_threshold_of_the_source_promises_nothing() -> None:
    found = say(origin="source")
    assert "unknown" in found.alarms
    assert "would be flagged" not in found.alarms


@pytest.mark.parametrize(
    ("verdict", "trust", "word"),
    [
        ("no shift: source detector suffices", "yes", "no shift"),
        ("do not trust: no dominant mode", "no", "no dominant mode"),
        ("not studied", "unknown", "not studied"),
    ],
)
def test_the_verdict_in_words(verdict: str, trust: str, word: str) -> None:
    found = say(evidence=replace(EVIDENCE, verdict=verdict))
    assert found.trust == trust
    assert word in found.verdict
    assert any("before acting" in line for line in found.next_steps) == (trust == "no")


def test_unreadable_files_are_counted() -> None:
    assert "1 file could not be read" in say(n_images=131).headline
    assert "2 files could not be read" in say(n_images=132).headline
    assert any("Mend" in line for line in say(n_images=132).next_steps)
