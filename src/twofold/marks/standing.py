"""Which marks stand: the last word of each reviewer, and where reviewers disagree."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from twofold.errors import UsageError, shown
from twofold.marks.lines import Line, MarkValue

__all__ = ["Disagreement", "Rule", "Standing", "standing"]

Rule = Literal["unsure", "last"]


@dataclass(frozen=True)
class Disagreement:
    """An image that one reviewer calls normal and another one anomalous.

    Attributes:
        image: its name.
        marks: reviewer -> what stands of theirs.
    """

    image: str
    marks: dict[str, MarkValue]


@dataclass(frozen=True)
class Standing:
    """The marks that stand.

    Attributes:
        marks: image -> mark, in the order in which the images were first marked.
        disagreements: images on which reviewers disagree.
    """

    marks: dict[str, MarkValue]
    disagreements: tuple[Disagreement, ...]

    @property
    def n_unsure(self) -> int:
        """Images that were looked at without a decision."""
        return sum(mark == "unsure" for mark in self.marks.values())

    def array(self, images: Sequence[str]) -> NDArray[np.float64]:
        """Marks in the order of ``images``, float64 (n,): 1 anomalous, 0 normal, else NaN."""
        values: dict[str, float] = {"anomalous": 1.0, "normal": 0.0}
        return np.array([values.get(self.marks.get(name, ""), np.nan) for name in images])


def standing(lines: Iterable[Line], *, disagreements: Rule = "unsure") -> Standing:
    """The marks that stand after all lines.

    A reviewer's later mark of an image replaces the earlier one; ``undo`` brings the earlier one
    back. Of several reviewers, those who are sure count; where they are not of one mind, the
    image is unsure.

    Args:
        lines: as they were made.
        disagreements: ``unsure``, or ``last``: the last of the sure marks counts.

    Raises:
        UsageError: there is no such rule.
    """
    if disagreements not in ("unsure", "last"):
        raise UsageError(f"disagreements is 'unsure' or 'last', not {shown(disagreements)}")
    # Of each image, each reviewer's marks that were not taken back, with their places.
    said: dict[str, dict[str, list[tuple[int, MarkValue]]]] = {}
    for place, line in enumerate(lines):
        mine = said.setdefault(line.image, {}).setdefault(line.reviewer, [])
        if line.mark != "undo":
            mine.append((place, line.mark))
        elif mine:
            mine.pop()
    marks: dict[str, MarkValue] = {}
    apart = []
    for image, by in said.items():
        last = {reviewer: mine[-1] for reviewer, mine in by.items() if mine}
        if not last:
            continue
        sure = [word for word in last.values() if word[1] != "unsure"]
        agreed = len({mark for _, mark in sure}) < 2
        if not agreed:
            apart.append(Disagreement(image, {name: word[1] for name, word in last.items()}))
        marks[image] = max(sure)[1] if sure and (agreed or disagreements == "last") else "unsure"
    return Standing(marks, tuple(apart))
