"""Plain facts about the images of a fit: counts, copies, what the threshold rests on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from twofold.encoders.encode import EncodedImages
from twofold.evidence.study import Findings
from twofold.evidence.verdict import ADAPT, Verdict
from twofold.evidence.visible import VisibleFlaws
from twofold.images import Problem
from twofold.thresholds import Threshold

__all__ = ["NOT_STUDIED", "Copies", "Evidence", "collect_evidence"]

NOT_STUDIED = "not studied"


@dataclass(frozen=True)
class Evidence:
    """Label-free facts; none of them is a performance figure.

    Attributes:
        n_source: usable source images.
        n_target: usable target images (0 where none were given).
        problems: unusable images of either folder, with the reason.
        n_copies_across: target images whose content is also in the source.
        n_copies_source: source images that repeat an earlier source image.
        n_copies_target: target images that repeat an earlier target image.
        threshold_origin: which domain's images the threshold was calibrated on.
        n_groups: independent images among those the threshold rests on: copies, frames of a scene
            and images that the user says belong together count once.
        notes: what a user should hear, one line each.
        contamination: (low, share, high), the share of anomalies in the pool; None: unknown, as it
            is without labels (docs/evidence.md).
        verdict: ``adapt``, ``no shift: source detector suffices``, ``do not trust: ...``, or
            ``not studied`` where there is no target or a benchmark shares its encoding.
        reasons: of the verdict, one line each.
        findings: the figures behind it, or None.
        choices: what the method settled by itself.
        bit_depths: of the source's and the target's images with more than 8 bits a channel; None
            where there are no such images.
        visible_flaws: how small a flaw is seen; None where the method does not say.
    """

    n_source: int
    n_target: int
    problems: tuple[Problem, ...]
    n_copies_across: int
    n_copies_source: int
    n_copies_target: int
    threshold_origin: str
    n_groups: int
    notes: tuple[str, ...]
    contamination: tuple[float, float, float] | None = None
    verdict: str = NOT_STUDIED
    reasons: tuple[str, ...] = ()
    findings: Findings | None = None
    choices: dict[str, float] = field(default_factory=dict)
    bit_depths: tuple[int | None, int | None] = (None, None)
    visible_flaws: VisibleFlaws | None = None


@dataclass(frozen=True)
class Copies:
    """Images that are there more than once, by the hash of their content.

    Attributes:
        across: target images whose content is also in the source.
        source: source images that repeat an earlier source image.
        target: target images that repeat an earlier target image.
        same: whether both sets hold the same images.
    """

    across: int
    source: int
    target: int
    same: bool

    @classmethod
    def of(cls, source: EncodedImages, target: EncodedImages | None) -> Copies:
        """Count them."""
        known, digests = set(source.digests), () if target is None else target.digests
        found = set(digests)
        return cls(
            across=sum(digest in known for digest in digests),
            source=len(source) - len(known),
            target=len(digests) - len(found),
            same=target is not None and found == known,
        )

    def notes(self) -> tuple[str, ...]:
        """A line for each kind."""
        notes = []
        if self.same:
            notes.append(
                f"source and target hold the same {self.across} images: is one folder given twice?"
            )
        elif self.across:
            notes.append(f"{self.across} target image(s) are also in the source: they count twice")
        for name, copies in (("source", self.source), ("target", self.target)):
            if copies:
                notes.append(f"{copies} {name} image(s) repeat another {name} image")
        return tuple(notes)


def collect_evidence(
    source: EncodedImages,
    target: EncodedImages | None,
    threshold: Threshold,
    *,
    verdict: Verdict | None = None,
    findings: Findings | None = None,
    choices: Mapping[str, float] | None = None,
    notes: Sequence[str] = (),
    bit_depths: tuple[int | None, int | None] = (None, None),
    visible_flaws: VisibleFlaws | None = None,
) -> Evidence:
    """Count and compare; content is compared by hash.

    Args:
        source: usable source images.
        target: usable target images, or None.
        threshold: the fitted decision rule.
        verdict: on the pair, if it was studied.
        findings: on the pair, if it was studied.
        choices: of the method.
        notes: on the files, a line each.
        bit_depths: of source and target.
        visible_flaws: how small a flaw the method sees.
    """
    copies = Copies.of(source, target)
    problems = source.problems + (() if target is None else target.problems)
    return Evidence(
        n_source=len(source),
        n_target=0 if target is None else len(target),
        problems=problems,
        n_copies_across=copies.across,
        n_copies_source=copies.source,
        n_copies_target=copies.target,
        threshold_origin=threshold.origin,
        n_groups=threshold.n_groups,
        notes=(*_notes(copies, threshold, verdict), *notes),
        verdict=NOT_STUDIED if verdict is None else verdict.verdict,
        reasons=() if verdict is None else verdict.reasons,
        findings=findings,
        choices=dict(choices or {}),
        bit_depths=bit_depths,
        visible_flaws=visible_flaws,
    )


def _notes(copies: Copies, threshold: Threshold, verdict: Verdict | None) -> tuple[str, ...]:
    notes = []
    if verdict is not None and verdict.verdict != ADAPT:
        notes.append(f"{verdict.verdict} ({'; '.join(verdict.reasons)})")
    notes += copies.notes()
    if threshold.n_groups < threshold.n_images:
        notes.append(
            f"the {threshold.n_images} {threshold.origin} images count as {threshold.n_groups}: "
            "the others repeat them, or belong to the same group"
        )
    if threshold.note is not None:
        notes.append(threshold.note)
    if threshold.origin == "source":
        notes.append(
            "the threshold rests on source images: on the target its false-alarm rate is unknown"
        )
    return tuple(notes)
