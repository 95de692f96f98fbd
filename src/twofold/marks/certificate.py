"""What marks prove of a model on one set of images, as a document that shows changes to it."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Annotated, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from twofold.canonical import content_digest
from twofold.errors import ConfigError, ImageError, NotEnoughImagesError, UsageError
from twofold.files import write_whole
from twofold.images.reading import display_name, read_file
from twofold.marks.document import DesignDocument
from twofold.marks.estimates import RATES, Estimates
from twofold.marks.file import MarksFile
from twofold.marks.proportions import marks_needed
from twofold.thresholds import check_rate

__all__ = ["Certificate", "certify", "check_against", "images_digest"]

_STRICT = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
# The bound is the largest whole number that every reader of JSON takes for itself.
Count = Annotated[int, Field(ge=0, lt=2**53)]
Share = Annotated[float, Field(ge=0, le=1)]

# A claim to name the price of where none was stated.
_EXAMPLE = 0.1
_NOT_TESTED = (
    "Images that are not in this set: the rates are those of the set itself, at the model's"
    " threshold. They hold for other images as far as those are like these.",
    "Whether the marks are right: a reviewer's mistakes pass into the rates.",
    "Images marked unsure, or on which reviewers disagree: they count as not marked, as if they"
    " were like the others of their stratum.",
    "Images that could not be read: they are not in the set.",
)


class Rate(BaseModel):
    """A rate with its interval; no value where the marks do not define it."""

    model_config = _STRICT

    value: Share | None
    low: Share
    high: Share


class Stratum(BaseModel):
    """What was marked of one stratum."""

    model_config = _STRICT

    name: str
    images: Count
    normal: Count
    anomalous: Count


class Bound(BaseModel):
    """A claim: at most this share of the set's anomalies is missed."""

    model_config = _STRICT

    max_missed: Annotated[float, Field(gt=0, lt=1)]
    confidence: Annotated[float, Field(gt=0, lt=1)]


class Certificate(BaseModel):
    """All that is certified, and what it rests on.

    Attributes:
        schema_version: of this document.
        twofold: version of the library.
        created: when, ISO 8601, UTC.
        model: SHA-256 that identifies the model.
        threshold: an image is flagged if it scores above it.
        requested_false_alarm_rate: that the threshold was asked for, without labels.
        images: how many there are.
        images_sha256: of the list of their names and hashes (:func:`images_digest`).
        marks_sha256: of the file of marks.
        random_state: of the sampling design.
        strata: of the design, with the marks in each.
        unsure: images that were looked at without a decision.
        disagreements: images on which reviewers disagree.
        reviewers: names, sorted.
        first_mark: when, as in the file of marks.
        last_mark: likewise.
        level: probability with which each interval holds the set's true rate.
        rates: by name.
        bound: the claim that was asked for and holds; None where none was asked for.
        not_tested: what the rates do not say.
        checksum: SHA-256 of the rest; shows changes, and is no signature.
    """

    model_config = _STRICT

    schema_version: Literal[1] = 1
    twofold: str
    created: str
    model: Digest
    threshold: float
    requested_false_alarm_rate: Share
    images: Count
    images_sha256: Digest
    marks_sha256: Digest
    random_state: Annotated[int, Field(ge=0)]
    strata: list[Stratum]
    unsure: Count
    disagreements: Count
    reviewers: list[str]
    first_mark: str
    last_mark: str
    level: Share
    rates: dict[str, Rate]
    bound: Bound | None = None
    not_tested: list[str] = list(_NOT_TESTED)
    checksum: str = ""

    def sealed(self) -> Self:
        """With the checksum of its content."""
        return self.model_copy(update={"checksum": self._digest()})

    def write(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        write_whole(path, self.to_json())

    def to_json(self) -> bytes:
        """The JSON of its file: ASCII, indented, ending in a newline."""
        return (json.dumps(self.model_dump(mode="json"), indent=2) + "\n").encode()

    @classmethod
    def read(cls, path: Path) -> Certificate:
        """As :meth:`parse`, from a file; UsageError also where that cannot be read."""
        shown = display_name(str(path))
        try:
            raw = read_file(str(path))
        except ImageError as error:
            raise UsageError(f"{shown}: {error}") from error
        return cls.parse(raw, shown)

    @classmethod
    def parse(cls, raw: bytes, shown: str) -> Certificate:
        """A certificate from its JSON, whose checksum must be right.

        Args:
            raw: the JSON.
            shown: where it is from, named in errors.

        Raises:
            UsageError: it is no certificate, or was changed since it was made.
        """
        try:
            found = cls.model_validate_json(raw)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(str(part) for part in first["loc"])
            raise UsageError(f"{shown}: not a certificate: {where}: {first['msg']}") from error
        if found.checksum != found._digest():
            raise UsageError(f"{shown}: was changed since it was made: its checksum is wrong")
        return found

    def _digest(self) -> str:
        content = self.model_dump(mode="json", exclude={"checksum"})
        return content_digest(content)


def certify(
    marks: MarksFile,
    *,
    created: str,
    version: str,
    max_missed: float | None = None,
    confidence: float = 0.95,
) -> Certificate:
    """The certificate of a file of marks with its design.

    Args:
        marks: with a design.
        created: when, ISO 8601.
        version: of the library.
        max_missed: claim that at most this share of the set's anomalies is missed: the lower end
            of the detection rate's one-sided interval must reach 1 - ``max_missed``.
        confidence: of the claim, above 0.5; the rates' intervals are two-sided at this level.

    Raises:
        UsageError: there is no design.
        ConfigError: a rate that is not strictly between 0 and 1, or a confidence of 0.5 or less.
        NotEnoughImagesError: too few marks; the message says how many are needed.
    """
    check_rate(confidence, "confidence")
    if confidence <= 0.5:
        raise ConfigError(f"confidence must be above 0.5, not {confidence:g}")
    if max_missed is not None:
        check_rate(max_missed, "max_missed")
    if marks.document is None:
        raise UsageError(f"{marks.path}: has no design beside it; a certificate rests on one")
    _refuse_few(marks, marks.document, max_missed, confidence)
    bound = None
    if max_missed is not None:
        bound = Bound(max_missed=float(max_missed), confidence=float(confidence))
    facts = _facts(marks, marks.document, float(confidence))
    return Certificate(twofold=version, created=created, bound=bound, **facts).sealed()


def check_against(certificate: Certificate, marks: MarksFile) -> None:
    """Compare a certificate with the marks that it was made of, and compute its rates anew.

    Raises:
        UsageError: the marks, the images or the rates are others.
    """
    if marks.document is None:
        raise UsageError(f"{marks.path}: has no design beside it, so nothing can be compared")
    facts = _facts(marks, marks.document, certificate.level)
    others = [name for name, value in facts.items() if getattr(certificate, name) != value]
    if others:
        raise UsageError(f"{marks.path}: is not what was certified: {', '.join(others)} differ")


def _facts(marks: MarksFile, document: DesignDocument, level: float) -> dict[str, Any]:
    """All fields that follow from the marks and their design."""
    found, stands, lines = marks.estimate(level=level), marks.standing(), marks.lines()
    return {
        "model": document.model,
        "threshold": document.threshold,
        "requested_false_alarm_rate": document.false_alarm_rate,
        "images": found.n_images,
        "images_sha256": images_digest(document),
        "marks_sha256": hashlib.sha256(read_file(str(marks.path))).hexdigest(),
        "random_state": document.random_state,
        "strata": _strata(document, marks.array()),
        "unsure": stands.n_unsure,
        "disagreements": len(stands.disagreements),
        "reviewers": sorted({line.reviewer for line in lines}),
        "first_mark": lines[0].time if lines else "",
        "last_mark": lines[-1].time if lines else "",
        "level": level,
        "rates": {name: _rate(found, name) for name in RATES},
    }


def images_digest(document: DesignDocument) -> str:
    """SHA-256 of the images' names and hashes, in the design's order of images."""
    return content_digest([[image.path, image.sha256] for image in document.images])


def _refuse_few(
    marks: MarksFile, document: DesignDocument, max_missed: float | None, confidence: float
) -> None:
    """Raise NotEnoughImagesError where nothing, or not the claim, can be certified."""
    known = marks.array()
    odd, fine = int((known == 1).sum()), int((known == 0).sum())
    claimed = max_missed or _EXAMPLE
    claim = (
        f"to claim at most {claimed:.3g} missed with confidence {confidence:.3g} you need "
        f"{marks_needed(claimed, confidence)} marked anomalies without a miss at least"
    )
    # The lower end of an interval that leaves 1 - confidence on each side.
    found = marks.estimate(level=2 * confidence - 1)
    if found.detection_rate.value is None or found.false_alarm_rate.value is None:
        raise NotEnoughImagesError(
            f"{marks.path}: {odd} anomalies and {fine} normal images are marked, too few for any "
            f"rate: mark more; {claim}"
        )
    if max_missed is not None and found.detection_rate.low < 1 - max_missed:
        missed = int(((known == 1) & (document.scores <= document.threshold)).sum())
        raise NotEnoughImagesError(
            f"{marks.path}: {odd} anomalies are marked and {missed} of them missed, so up to "
            f"{1 - found.detection_rate.low:.3g} of all may be, at confidence {confidence:.3g}: "
            f"mark more; {claim}"
        )


def _rate(found: Estimates, name: str) -> Rate:
    rate = getattr(found, name)
    return Rate(value=rate.value, low=rate.low, high=rate.high)


def _strata(document: DesignDocument, known: NDArray[np.float64]) -> list[Stratum]:
    counts = Counter(
        (image.stratum, mark) for image, mark in zip(document.images, known.tolist(), strict=True)
    )
    sizes = document.design.sizes
    return [
        Stratum(
            name=name,
            images=int(sizes[place]),
            normal=counts[place, 0.0],
            anomalous=counts[place, 1.0],
        )
        for place, name in enumerate(document.strata)
    ]
