"""What a report says at its top, in sentences."""

from __future__ import annotations

import math
from dataclasses import dataclass

from twofold.evidence import Evidence
from twofold.report.ladder import Step
from twofold.words import counted, percent

__all__ = ["Answer", "answer"]


@dataclass(frozen=True)
class Answer:
    """The answer to "what did it find, and how far can I trust it".

    Attributes:
        headline: images and flagged ones.
        alarms: how many of the flagged ones may be false alarms.
        trust: whether to rely on it: ``yes``, ``no`` or ``unknown``.
        verdict: what the evidence says, in a sentence.
        rests_on: its reasons, one line each.
        next_steps: what to do now, one line each.
    """

    headline: str
    alarms: str
    trust: str
    verdict: str
    rests_on: tuple[str, ...]
    next_steps: tuple[str, ...]


def answer(
    *,
    n_images: int,
    n_usable: int,
    n_flagged: int,
    n_near: int,
    step: Step,
    origin: str,
    evidence: Evidence,
    labelled: bool,
) -> Answer:
    """Say it.

    Args:
        n_images: as given.
        n_usable: with a score.
        n_flagged: above the threshold.
        n_near: near the threshold, on either side.
        step: the detector's threshold.
        origin: of its calibration, ``target`` or ``source``.
        evidence: of the fit.
        labelled: whether labels were given.
    """
    unusable = n_images - n_usable
    headline = f"{counted(n_flagged, 'image')} of {n_usable:,} flagged as anomalous"
    if unusable:
        headline += f", and {counted(unusable, 'file')} could not be read"
    trust, verdict = _verdict(evidence)
    return Answer(
        headline=headline + ".",
        alarms=_alarms(n_usable, n_flagged, step, origin),
        trust=trust,
        verdict=verdict,
        rests_on=evidence.reasons,
        next_steps=tuple(_steps(n_flagged, n_near, unusable, trust, labelled)),
    )


def _alarms(n_usable: int, n_flagged: int, step: Step, origin: str) -> str:
    """What the stated rate means for these images."""
    if origin == "source":
        return (
            f"The threshold lets {percent(step.rate)} of normal source images pass for anomalous. "
            "It rests on source images: how many of these images it flags by mistake is unknown."
        )
    text = (
        f"The threshold flags at most {percent(step.rate)} of normal images by mistake. If all "
        f"{n_usable:,} were normal, about {math.floor(step.expected + 0.5):,} would be flagged "
        f"(in 95 of 100 cases {step.low:,} to {step.high:,}). "
    )
    if n_flagged <= step.high:
        return text + (
            f"The {n_flagged:,} flagged here are within that: their number alone does not show "
            "that any of them is anomalous, so look at them."
            if n_flagged
            else "None is flagged here."
        )
    return text + (
        f"The {n_flagged:,} flagged here are more: at least {n_flagged - step.high:,} of them are "
        "not explained by false alarms."
    )


def _verdict(evidence: Evidence) -> tuple[str, str]:
    if evidence.verdict == "adapt":
        return "yes", (
            "The fit found that source and target differ, and nothing that speaks against adapting "
            "to the target."
        )
    if evidence.verdict.startswith("no shift"):
        return "yes", "The fit found no shift: a detector of the source alone would do as well."
    if evidence.verdict.startswith("do not trust"):
        reason = evidence.verdict.partition(": ")[2]
        return "no", f"Do not trust these flags without looking at the images: {reason}."
    return "unknown", "The fit was not studied, so nothing is known of how far to trust it."


def _steps(n_flagged: int, n_near: int, unusable: int, trust: str, labelled: bool) -> list[str]:
    found = []
    if trust == "no":
        found.append(
            "Read the reasons above first. If they can be mended (more images, the right folder), "
            "fit again before acting on any flag."
        )
    if n_flagged:
        found.append(
            "Look at the flagged images below, from the top. For each, the map shows where it is "
            "odd, and the nearest normal images show what it was compared with."
        )
    if n_near:
        verb, them = ("lies", "it") if n_near == 1 else ("lie", "them")
        found.append(
            f"{counted(n_near, 'image')} {verb} near the threshold, on one side or the other: look "
            f"at {them} before you rely on the decision."
        )
    if unusable:
        found.append("Mend or remove the files that could not be read; they were not judged.")
    if not labelled:
        found.append(
            "How many anomalies were missed cannot be seen here. Mark some forty images with "
            "twofold review, which says it with an interval; twofold refit learns from the marks. "
            "Known labels can be given to twofold report with --labels."
        )
    return found
