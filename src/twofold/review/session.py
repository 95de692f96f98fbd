"""One person's review: which image comes next, their marks, and what all marks say so far."""

from __future__ import annotations

import statistics
import threading
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from twofold.defaults import DEFAULT_MARKS
from twofold.errors import UsageError
from twofold.marks import (
    RATE_WORDS,
    DesignDocument,
    Estimates,
    Line,
    MarksFile,
    MarkValue,
    Standing,
    estimate,
    standing,
)
from twofold.review.further import further_sentence
from twofold.spreadsheet import printable
from twofold.words import percent

__all__ = ["Session", "check_reviewer"]

_MOST_DISAGREEMENTS: Final = 200  # shown at a time; the file has them all
_LONGEST_NAME: Final = 80  # characters of a reviewer's name


def check_reviewer(name: str) -> str:
    """A reviewer's name as it is written to the file.

    Raises:
        UsageError: it is empty or too long.
    """
    cleaned = " ".join(printable(name).split())
    if not cleaned or len(cleaned) > _LONGEST_NAME:
        raise UsageError(f"--reviewer: give a name of 1 to {_LONGEST_NAME} characters")
    return cleaned


class Session:
    """The marks of one reviewer on one design; others may write to the same file meanwhile.

    Safe to call from several threads at once. An image is named by its number in the design.

    Args:
        out: the file of marks, begun if it is not there.
        document: the design.
        reviewer: as :func:`check_reviewer` returns it.
        planned: number of marks that this reviewer means to make.
        has_maps: whether the page can show heat maps.

    Raises:
        UsageError: the file there is damaged or belongs to another design.
    """

    def __init__(
        self,
        out: Path,
        document: DesignDocument,
        reviewer: str,
        planned: int = DEFAULT_MARKS,
        *,
        has_maps: bool = False,
    ) -> None:
        self.document, self.reviewer = document, reviewer
        self.planned = min(planned, len(document.images))
        self._has_maps = has_maps
        self._file = MarksFile.start(out, document)
        self._lock = threading.Lock()
        self._names = [image.path for image in document.images]
        self._numbers = {name: number for number, name in enumerate(self._names)}
        self._scores, self._design = document.scores, document.design

    def require(self, number: int) -> None:
        """Raise UsageError unless the design has an image of this number."""
        if not 0 <= number < len(self._names):
            raise UsageError(f"there is no image {number}")

    def state(self) -> dict[str, Any]:
        """Where this reviewer stands, as the page reads it."""
        with self._lock:
            return self._state(self._file.lines())

    def mark(self, number: int, mark: MarkValue, seconds: float) -> dict[str, Any]:
        """Write a mark; it is on disk when this returns.

        Returns:
            ``facts`` of the image that was marked, the new ``state`` and the new ``estimates``.

        Raises:
            UsageError: there is no such image, or another process holds the file.
        """
        self.require(number)
        with self._lock:
            name = self._names[number]
            self._file.append(name, mark, reviewer=self.reviewer, seconds=round(seconds, 2))
            lines = self._file.lines()
            state = self._state(lines)
        return {"facts": self.facts(number), "state": state, "estimates": self._estimates(lines)}

    def undo(self) -> dict[str, Any]:
        """Take back this reviewer's last mark; its image is the current one again.

        Returns:
            ``undone``, the mark that was taken back, the new ``state`` and ``estimates``.

        Raises:
            UsageError: there is none.
        """
        with self._lock:
            before = self._mine(self._file.lines())
            line = self._file.undo(self.reviewer)
            if line is None:
                raise UsageError("there is no mark to take back")
            number = self._numbers[line.image]
            lines = self._file.lines()
            state = self._state(lines, current=number)
        return {
            "undone": before[line.image],
            "state": state,
            "estimates": self._estimates(lines),
        }

    def facts(self, number: int) -> dict[str, Any]:
        """What a person should not see before the mark: name, score and decision of an image."""
        self.require(number)
        image = self.document.images[number]
        flagged = image.score > self.document.threshold
        return {"name": image.path, "score": image.score, "flagged": flagged}

    def estimates(self) -> dict[str, Any]:
        """What the marks of all reviewers say about all images, as the page shows it.

        With ``further``, a sentence on what more marks would bring: it takes longer than the rest.
        """
        with self._lock:
            lines = self._file.lines()
        stands = standing(lines)
        return self._with_further(stands, self.estimate(stands))

    def estimate(self, stands: Standing) -> Estimates:
        """Rates of all images from the marks that stand."""
        marks = stands.array(self._names)
        threshold = self.document.threshold
        strata = self._design.strata
        return estimate(self._scores, threshold, strata, marks, n_unsure=stands.n_unsure)

    def results(self) -> dict[str, Any]:
        """Estimates, reviewers and disagreements, as the page shows them."""
        with self._lock:
            lines = self._file.lines()
        stands = standing(lines)
        found = self.estimate(stands)
        return {
            "lead": self._lead(found, len(self._mine(lines))),
            "estimates": self._with_further(stands, found),
            "reviewers": _reviewers(lines),
            "disagreements": [
                {
                    "image": self._numbers[one.image],
                    "name": one.image,
                    "marks": sorted(one.marks.items()),
                }
                for one in stands.disagreements[:_MOST_DISAGREEMENTS]
            ],
        }

    def summary(self) -> dict[str, Any]:
        """What ``twofold review --json`` prints of the marks."""
        with self._lock:
            lines = self._file.lines()
        stands = standing(lines)
        return asdict(self.estimate(stands)) | {
            "n_disagreements": len(stands.disagreements),
            "reviewers": _reviewers(lines),
            "marked_by_reviewer": len(self._mine(lines)),
            "planned": self.planned,
        }

    def csv(self) -> bytes:
        """The file of marks as it is."""
        return self._file.path.read_bytes()

    def _mine(self, lines: Sequence[Line]) -> dict[str, MarkValue]:
        """This reviewer's own marks that stand, by image."""
        return standing(line for line in lines if line.reviewer == self.reviewer).marks

    def _state(self, lines: Sequence[Line], current: int | None = None) -> dict[str, Any]:
        mine = self._mine(lines)
        coming = (number for number in self.document.order if self._names[number] not in mine)
        first = next(coming, None) if current is None else current
        following = next((number for number in coming if number != first), None)
        return {
            "current": first,
            "following": following,
            "done": len(mine),
            "planned": self.planned,
            "n_images": len(self._names),
            "can_undo": bool(mine),
            "seconds": _pace(line for line in lines if line.reviewer == self.reviewer),
            "has_maps": self._has_maps,
            "reviewer": self.reviewer,
            "out": self._file.path.name,
            "version": len(lines),
        }

    def _with_further(self, stands: Standing, found: Estimates) -> dict[str, Any]:
        threshold, marks = self.document.threshold, stands.array(self._names)
        further = further_sentence(self._scores, threshold, self._design, marks, found)
        return _shown(found) | {"further": further}

    def _estimates(self, lines: Sequence[Line]) -> dict[str, Any]:
        return _shown(self.estimate(standing(lines)))

    def _lead(self, found: Estimates, done: int) -> str:
        unsure = f" and {found.n_unsure} unsure" if found.n_unsure else ""
        return (
            f"You have marked {done} of {self.planned} planned images. Of all {found.n_images}, "
            f"{found.n_marked} are marked{unsure}. "
            f"{percent(self.document.false_alarm_rate)} false alarms were asked of the model."
        )


def _shown(found: Estimates) -> dict[str, Any]:
    rates = [
        {"label": label, "meaning": meaning, **asdict(getattr(found, name))}
        for name, (label, meaning) in RATE_WORDS.items()
    ]
    return {"rates": rates, "n_marked": found.n_marked}


def _reviewers(lines: Sequence[Line]) -> list[dict[str, Any]]:
    """What each reviewer has marked, and how long a mark took them."""
    found = []
    for name in dict.fromkeys(line.reviewer for line in lines):
        own = [line for line in lines if line.reviewer == name]
        marks = list(standing(own).marks.values())
        found.append(
            {
                "name": name,
                **{mark: marks.count(mark) for mark in ("normal", "anomalous", "unsure")},
                "seconds": _pace(own),
            }
        )
    return found


def _pace(lines: Iterable[Line]) -> float | None:
    """Median of the seconds that a mark took; None where nobody has measured them."""
    seconds = [line.seconds for line in lines if line.seconds is not None]
    return statistics.median(seconds) if seconds else None
