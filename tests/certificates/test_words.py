"""What a certificate says to a person."""

from __future__ import annotations

import pytest
from tests.certificates.conftest import certificate

from twofold.certificates.words import words
from twofold.marks import RATES, Certificate
from twofold.marks.certificate import Rate


def test_the_answer_stands_on_top(plain: Certificate) -> None:
    said = words(plain, ".html")
    assert said.answer == (
        "Of 600 images, 84 were marked as normal or anomalous by a person.",
        "By these marks, the detector finds an estimated 91.0% (95%: 82.0% to 96.0%) of the "
        "anomalies in the whole set, and flags an estimated 9.1% (95%: 0.1% to 14.1%) of its "
        "normal images by mistake.",
    )
    assert said.claim == ("At most 20% of the anomalies in this set are missed (confidence 95%).")
    assert said.totals == (600, 63, 21)
    assert said.strata[0] == ("above the threshold", 60, 3, 19)  # highest scores first


def test_level_and_people_are_those_of_the_certificate() -> None:
    said = words(certificate(level=0.9, reviewers=["Ann", "Bob"], bound=None), ".pdf")
    assert "by 2 people" in said.answer[0]
    assert "(90%: 82.0%" in said.answer[1]
    assert "with 90% probability" in said.rates_note
    assert said.claim is None
    assert said.command.endswith("--verify certificate.pdf")


def test_each_rate_has_its_place_on_the_line(plain: Certificate) -> None:
    rates = words(plain, ".html").rates
    assert len(rates) == len(RATES)
    first = rates[0]
    assert (first.name, first.value, first.interval) == (
        "Detection rate",
        "91.0%",
        "82.0% to 96.0%",
    )
    assert (first.place, first.low, first.high) == pytest.approx((91.04, 82.0, 96.04))


def test_a_rate_that_is_not_known_is_not_made_up() -> None:
    rates = {name: Rate(value=None, low=0.0, high=1.0) for name in RATES}
    said = words(certificate(rates=rates), ".html")
    assert "finds an unknown share (95%: 0% to 100%) of the anomalies" in said.answer[1]
    assert said.rates[0].value == "not known"
    assert said.rates[0].place is None


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("2026-01-02T03:04:05Z", "2026-01-02 03:04:05 UTC"),
        ("2026-01-02T03:04:05+02:00", "2026-01-02 01:04:05 UTC"),
        ("2026-01-02T03:04:05", "2026-01-02 03:04:05"),
        ("0001-01-01T00:00:00+23:00", "0001-01-01T00:00:00+23:00"),
        ("yes\ter\n", r"yes\ter\n"),
        ("", "not known"),
    ],
)
def test_dates_are_shown_in_utc(text: str, shown: str) -> None:
    made = {fact.name: fact.values for fact in words(certificate(created=text), ".html").data}
    assert made["Certificate made"] == (shown,)


def test_no_text_has_control_signs(hostile: Certificate) -> None:
    said = words(hostile, ".html")
    texts = [*said.not_tested, said.strata[0][0], said.rates[0].name]
    texts += [value for fact in (*said.data, *said.detector) for value in fact.values]
    assert all(text.isprintable() for text in texts)
    assert "(no name)" in texts
