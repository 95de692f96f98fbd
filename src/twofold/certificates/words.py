"""What a certificate says to a person: sentences, tables and names, the same in every form.

It follows from the document alone, so that a rendering can be made again and compared.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from twofold.errors import on_one_line
from twofold.marks import RATE_WORDS, Certificate
from twofold.marks.certificate import Rate
from twofold.words import counted, percent

__all__ = ["TITLE", "Fact", "RateLine", "Words", "words"]

TITLE: Final = "Certificate of a detector"
_UNKNOWN: Final = "not known"


@dataclass(frozen=True)
class RateLine:
    """A rate as a row of a table; places are in percent of the line from 0% to 100%.

    Attributes:
        name: of the rate.
        says: what it is a share of.
        value: as text.
        interval: as text.
        place: of the value; None where it is not known.
        low: of the interval's lower end.
        high: of its upper end.
    """

    name: str
    says: str
    value: str
    interval: str
    place: float | None
    low: float
    high: float


@dataclass(frozen=True)
class Fact:
    """A named fact.

    Attributes:
        name: of it.
        values: one line each.
        note: what to know of it, or "".
        code: whether the values are hashes.
    """

    name: str
    values: tuple[str, ...]
    note: str = ""
    code: bool = False


@dataclass(frozen=True)
class Words:
    """All that a rendering shows beside its title.

    Attributes:
        answer: what was certified, a sentence each.
        claim: what the marks prove, or None.
        rates: rows.
        rates_note: how to read them.
        strata: names, numbers of images, of normal and of anomalous marks, from the highest scores.
        totals: of these numbers.
        design: how images were drawn, a sentence each.
        data: dates, people and what was marked.
        detector: what was tested.
        not_tested: a sentence each.
        verify: how to check the certificate, a sentence each.
        command: that checks it.
        hashes: SHA-256 of what was certified, and of the document.
    """

    answer: tuple[str, ...]
    claim: str | None
    rates: tuple[RateLine, ...]
    rates_note: str
    strata: tuple[tuple[str, int, int, int], ...]
    totals: tuple[int, int, int]
    design: tuple[str, ...]
    data: tuple[Fact, ...]
    detector: tuple[Fact, ...]
    not_tested: tuple[str, ...]
    verify: tuple[str, ...]
    command: str
    hashes: tuple[Fact, ...]


def words(certificate: Certificate, kind: str) -> Words:
    """The words of a certificate.

    Args:
        certificate: whatever it holds; texts come out without line ends and control signs.
        kind: suffix of the file that they stand in, such as ``.html``.
    """
    strata = tuple(
        (on_one_line(found.name), found.images, found.normal, found.anomalous)
        for found in reversed(certificate.strata)
    )
    images = sum(found.images for found in certificate.strata)
    normal = sum(found.normal for found in certificate.strata)
    anomalous = sum(found.anomalous for found in certificate.strata)
    level = percent(certificate.level)
    return Words(
        answer=_answer(certificate, normal + anomalous, level),
        claim=_claim(certificate),
        rates=tuple(_rate(name, found) for name, found in certificate.rates.items()),
        rates_note=(
            f"Of the whole set of {counted(certificate.images, 'image')}, estimated from the "
            f"marks. Interval: it holds the set's true rate with {level} probability."
        ),
        strata=strata,
        totals=(images, normal, anomalous),
        design=(
            "Images were drawn at random within groups of similar scores (strata), and marked in "
            f"the order drawn (random state {certificate.random_state}). Each mark counts for as "
            "many images as it stands for in its stratum.",
        ),
        data=_data(certificate),
        detector=_detector(certificate),
        not_tested=tuple(map(on_one_line, certificate.not_tested)),
        verify=_VERIFY,
        command=f"twofold certify MODEL --marks marks.csv --verify certificate{kind}",
        hashes=_hashes(certificate),
    )


_VERIFY: Final = (
    "This file holds the certificate as data, too. The command below finds any change to that data "
    "or to what is shown here, a model that it is not of, and marks that do not give these rates. "
    "Model and marks can be left out.",
    "The checksum shows changes; it is no signature. To know that a certificate is genuine, have "
    "its checksum told to you by whoever made it.",
)


def _answer(certificate: Certificate, marked: int, level: str) -> tuple[str, ...]:
    """What was certified, the main rates in sentences."""
    images = certificate.images

    def told(name: str) -> str:
        rate = certificate.rates.get(name)
        if rate is None or rate.value is None:
            return f"an unknown share ({level}: 0% to 100%)"
        return f"an estimated {rate.value:.1%} ({level}: {rate.low:.1%} to {rate.high:.1%})"

    who = len(certificate.reviewers)
    by = "a person" if who == 1 else f"{who:,} people"
    return (
        f"Of {counted(images, 'image')}, {marked:,} were marked as normal or anomalous by {by}.",
        f"By these marks, the detector finds {told('detection_rate')} of the anomalies in the "
        f"whole set, and flags {told('false_alarm_rate')} of its normal images by mistake.",
    )


def _claim(certificate: Certificate) -> str | None:
    bound = certificate.bound
    if bound is None:
        return None
    return (
        f"At most {percent(bound.max_missed)} of the anomalies in this set are missed "
        f"(confidence {percent(bound.confidence)})."
    )


def _data(certificate: Certificate) -> tuple[Fact, ...]:
    people = tuple(on_one_line(name) or "(no name)" for name in certificate.reviewers)
    return (
        Fact("Certificate made", (_time(certificate.created),)),
        Fact("First mark", (_time(certificate.first_mark),)),
        Fact("Last mark", (_time(certificate.last_mark),)),
        Fact("Reviewer" if len(people) == 1 else "Reviewers", people or ("none",)),
        Fact("Unsure", (counted(certificate.unsure, "image"),), "count as not marked"),
        Fact(
            "Disagreements",
            (counted(certificate.disagreements, "image"),),
            "between reviewers; counted among the unsure",
        ),
    )


def _detector(certificate: Certificate) -> tuple[Fact, ...]:
    return (
        Fact("Model", (f"{certificate.model[:16]}...",), "beginning of its hash, which is below"),
        Fact("Threshold", (f"{certificate.threshold:.6g}",), "images that score above are flagged"),
        Fact(
            "Requested false-alarm rate",
            (percent(certificate.requested_false_alarm_rate),),
            "that the threshold was set for, without labels; the measured one is above",
        ),
        Fact("Made with", (f"twofold {on_one_line(certificate.twofold)}",)),
    )


def _hashes(certificate: Certificate) -> tuple[Fact, ...]:
    return (
        Fact("Model", (certificate.model,), "of its detector.json", code=True),
        Fact("Images", (certificate.images_sha256,), "of their names and hashes", code=True),
        Fact("Marks", (certificate.marks_sha256,), "of the file", code=True),
        Fact("This certificate", (certificate.checksum,), "its checksum", code=True),
    )


def _rate(name: str, rate: Rate) -> RateLine:
    label, says = RATE_WORDS.get(name, (on_one_line(name), ""))
    known = rate.value is not None
    return RateLine(
        name=label,
        says=says,
        value=f"{rate.value:.1%}" if known else _UNKNOWN,
        interval=f"{rate.low:.1%} to {rate.high:.1%}",
        place=None if rate.value is None else 100.0 * rate.value,
        low=100.0 * rate.low,
        high=100.0 * rate.high,
    )


def _time(text: str) -> str:
    """ISO 8601 as people write it, in UTC; any other text as it is."""
    try:
        found = datetime.fromisoformat(text)
        shown = found if found.tzinfo is None else found.astimezone(UTC)
    except (ValueError, OverflowError):
        return on_one_line(text) or _UNKNOWN
    return shown.strftime("%Y-%m-%d %H:%M:%S") + ("" if found.tzinfo is None else " UTC")
