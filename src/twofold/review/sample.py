"""What is reviewed: images that were scored once, and the order in which they are asked for."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from twofold.bundle import model_digest
from twofold.errors import ImageError, NotEnoughImagesError, UsageError
from twofold.images import ImageInput, ImageSet, find_images
from twofold.marks import DesignDocument, design_path, draw_design
from twofold.review.gallery import Gallery
from twofold.spreadsheet import printable

if TYPE_CHECKING:
    from twofold.detector import Detector

__all__ = ["Sample", "open_sample"]


@dataclass(frozen=True)
class Sample:
    """The images of a review, numbered as in its design.

    Attributes:
        document: the design: scores, hashes, strata and the order of asking.
        gallery: pictures of the images.
        notes: what a person should know of the files, one line each.
        continued: whether the design was there already, so that nothing was scored.
    """

    document: DesignDocument
    gallery: Gallery
    notes: tuple[str, ...]
    continued: bool


def open_sample(
    detector: Detector,
    model: str | Path,
    images: ImageInput,
    out: Path,
    random_state: int | None = None,
    *,
    false_alarm_rate: float | None = None,
) -> Sample:
    """Draw a design for images, or take up the one that lies beside the file of marks.

    Args:
        detector: of the model, loaded.
        model: its folder.
        images: in any form of :func:`twofold.images.find_images`.
        out: the file of marks.
        random_state: of the draw; None takes 0, or that of the design that is there.
        false_alarm_rate: that the detector is to decide at from now on; None takes its own, or the
            threshold of the design that is there.

    Raises:
        UsageError: the design there is of another model, other images, another random state or
            another threshold.
        ConfigError: the rate is not strictly between 0 and 1.
        NotEnoughImagesError: no image can be used.
    """
    if false_alarm_rate is not None:
        detector.set_false_alarm_rate(false_alarm_rate)
    found = find_images(images).at_depth(detector.sight_.bit_depth)
    beside = design_path(out)
    if beside.exists():
        document = DesignDocument.read(beside)
        _check_model(document, model_digest(model), beside)
        if random_state not in (None, document.random_state):
            raise UsageError(
                f"--random-state {random_state}: {beside} was drawn with "
                f"{document.random_state}; leave it out, or begin anew with another --out"
            )
        if false_alarm_rate is not None:
            _check_threshold(document, detector.threshold_.value, false_alarm_rate, beside)
        rows = _same_images(document, found, beside)
        notes: tuple[str, ...] = ()
        continued = True
    else:
        document, rows, notes = _draw(detector, model, found, random_state or 0)
        continued = False
    kept = found.subset(rows)
    gallery = Gallery(kept, [image.sha256 for image in document.images], detector)
    return Sample(document, gallery, notes, continued)


def _draw(
    detector: Detector, model: str | Path, found: ImageSet, random_state: int
) -> tuple[DesignDocument, list[int], tuple[str, ...]]:
    """Score the images and draw the order; with the rows that can be used, and notes."""
    result = detector.score(found)
    rows = np.flatnonzero(result.usable).tolist()
    if not rows:
        raise NotEnoughImagesError("none of the images can be used: give images to review")
    scores, threshold = result.scores[rows], detector.threshold_
    document = DesignDocument.of(
        draw_design(scores, threshold.value, random_state),
        [found.names[row] for row in rows],
        scores,
        list(_digests(found, rows)),
        model=model_digest(model),
        threshold=threshold.value,
        false_alarm_rate=threshold.requested_rate,
        random_state=random_state,
    )
    skipped = tuple(f"skipped {problem.path}: {problem.reason}" for problem in result.problems)
    return document, rows, result.notes + skipped


def _digests(found: ImageSet, rows: list[int]) -> Iterator[str]:
    for row in rows:
        try:
            yield hashlib.sha256(found.read_bytes(row)).hexdigest()
        except ImageError as error:
            raise UsageError(
                f"{found.names[row]}: {error}, and could be read a moment ago; try again"
            ) from error


def _check_model(document: DesignDocument, digest: str, beside: Path) -> None:
    if document.model != digest:
        raise UsageError(
            f"{beside} was drawn with another model (or the model was fitted or saved again since);"
            " give that model, or begin anew with another --out"
        )


def _check_threshold(document: DesignDocument, given: float, rate: float, beside: Path) -> None:
    if not math.isclose(given, document.threshold, rel_tol=1e-9, abs_tol=1e-12):
        raise UsageError(
            f"--false-alarm-rate {rate:g} gives the threshold {given:.6g}, and {beside} was drawn "
            f"for {document.threshold:.6g} (rate {document.false_alarm_rate:g}); leave it out, or "
            "begin anew with another --out"
        )


def _same_images(document: DesignDocument, found: ImageSet, beside: Path) -> list[int]:
    """The row of each image of the design among those given.

    Raises:
        UsageError: naming the first image that is missing, new or changed.
    """
    fix = "give the same images, or begin anew with another --out"
    places = {printable(name): row for row, name in enumerate(found.names)}
    rows = []
    for image in document.images:
        row = places.pop(image.path, None)
        if row is None:
            raise UsageError(f"{image.path} of {beside} is not among the images; {fix}")
        try:
            digest = hashlib.sha256(found.read_bytes(row)).hexdigest()
        except ImageError as error:
            raise UsageError(f"{image.path} of {beside}: {error}; {fix}") from error
        if digest != image.sha256:
            raise UsageError(f"{image.path} has changed since {beside} was drawn; {fix}")
        rows.append(row)
    for name, row in places.items():
        if _usable(found, row):  # the others were left out then, too
            raise UsageError(f"{name} was not there when {beside} was drawn; {fix}")
    return rows


def _usable(found: ImageSet, row: int) -> bool:
    try:
        found.load(row).decode()
    except ImageError:
        return False
    return True
