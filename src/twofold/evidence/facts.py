"""Plain facts about the images of a fit: counts, copies, what the threshold rests on."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.encoders.encode import EncodedImages
from twofold.images import Problem
from twofold.thresholds import Threshold

__all__ = ["Evidence", "collect_evidence"]


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
        presumed_normal_share: share of the calibration images presumed normal, in (0, 1].
        notes: what a user should hear, one line each.
    """

    n_source: int
    n_target: int
    problems: tuple[Problem, ...]
    n_copies_across: int
    n_copies_source: int
    n_copies_target: int
    threshold_origin: str
    presumed_normal_share: float
    notes: tuple[str, ...]


def collect_evidence(
    source: EncodedImages, target: EncodedImages | None, threshold: Threshold
) -> Evidence:
    """Count and compare; content is compared by hash.

    Args:
        source: usable source images.
        target: usable target images, or None.
        threshold: the fitted decision rule.
    """
    near = set(source.digests)
    far = () if target is None else target.digests
    across = sum(digest in near for digest in far)
    problems = source.problems + (() if target is None else target.problems)
    return Evidence(
        n_source=len(source),
        n_target=len(far),
        problems=problems,
        n_copies_across=across,
        n_copies_source=len(source) - len(near),
        n_copies_target=len(far) - len(set(far)),
        threshold_origin=threshold.origin,
        presumed_normal_share=threshold.presumed_share,
        notes=_notes(source, target, across, threshold),
    )


def _notes(
    source: EncodedImages, target: EncodedImages | None, across: int, threshold: Threshold
) -> tuple[str, ...]:
    notes = []
    if target is not None and set(target.digests) == set(source.digests):
        notes.append(f"source and target hold the same {across} images: is one folder given twice?")
    elif across:
        notes.append(f"{across} target image(s) are also in the source: they count twice")
    for name, images in (("source", source), ("target", target)):
        copies = 0 if images is None else len(images) - len(set(images.digests))
        if copies:
            notes.append(f"{copies} {name} image(s) repeat another {name} image")
    if threshold.origin == "source":
        notes.append(
            "the threshold rests on source images: on the target its false-alarm rate is unknown"
        )
    return tuple(notes)
