"""What the findings amount to: adapt, keep the source's detector, or do not trust the result."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.evidence.study import LEAST_IMAGES, Findings
from twofold.thresholds import Contamination, images_needed

__all__ = ["ADAPT", "DO_NOT_TRUST", "NO_SHIFT", "Verdict", "judge"]

ADAPT = "adapt"
NO_SHIFT = "no shift: source detector suffices"
DO_NOT_TRUST = "do not trust"

# Half way from guessing to telling the domains apart without error. An anomaly share of e adds at
# most e / 2 to one half, so that 40% of anomalies alone do not reach it.
_SHIFTED = 0.75
# The robust fit leaves out a quarter of the pool: with more anomalies it takes some for normal.
_BREAKDOWN = 0.25
# Simulations go down to 0.01; 0.02 leaves the test its multiplicity of three.
_TWO_MODES = 0.02
# A second mode of a third or more is no scarce anomaly.
_SECOND_MODE = 1 / 3
# A tenth of what the target's own half explains is as good as nothing.
_STRANGER = 0.1


@dataclass(frozen=True)
class Verdict:
    """One line, and why.

    Attributes:
        verdict: ``adapt``, ``no shift: source detector suffices`` or ``do not trust: ...`` with
            its first reason.
        reasons: one line each, the deciding ones first.
    """

    verdict: str
    reasons: tuple[str, ...]


def judge(
    findings: Findings | None,
    contamination: Contamination,
    *,
    n_source: int,
    n_target: int,
    false_alarm_rate: float,
) -> Verdict:
    """Read the findings.

    Args:
        findings: None where there were too few images for any.
        contamination: of the pool.
        n_source: usable source images.
        n_target: usable target images.
        false_alarm_rate: that a threshold is wanted for.
    """
    needed = max(LEAST_IMAGES, images_needed(false_alarm_rate))
    if findings is None or n_target < needed or n_source < LEAST_IMAGES:
        few = "source" if n_source < LEAST_IMAGES else "target"
        count, least = (n_source, LEAST_IMAGES) if few == "source" else (n_target, needed)
        return Verdict(
            f"{DO_NOT_TRUST}: too few {few} images",
            (f"{count} {few} images, at least {least} are needed",),
        )
    doubts = _doubts(findings, contamination)
    told = f"held-out images are told apart with an AUROC of {findings.shift_auroc:.2f}"
    if doubts:
        return Verdict(f"{DO_NOT_TRUST}: {doubts[0][0]}", (*(why for _, why in doubts), told))
    if findings.shift_auroc < _SHIFTED:
        return Verdict(NO_SHIFT, (f"source and target look alike: {told}",))
    return Verdict(ADAPT, (f"a shift ({told}) and no sign against one dominant mode",))


def _doubts(findings: Findings, contamination: Contamination) -> list[tuple[str, str]]:
    """What speaks against trusting the result: a name and a line each."""
    doubts = []
    two = findings.two_modes_p_value <= _TWO_MODES and findings.minor_share >= _SECOND_MODE
    if two:
        doubts.append(
            (
                "no dominant mode",
                f"the pool falls into two groups of {1 - findings.minor_share:.0%} and "
                f"{findings.minor_share:.0%} (p = {findings.two_modes_p_value:.3f})",
            )
        )
    if contamination.share > _BREAKDOWN:
        doubts.append(
            (
                "contamination too high",
                f"about {contamination.share:.0%} of the pool look anomalous "
                f"({contamination.low:.0%} to {contamination.high:.0%}); the fit can bear "
                f"{_BREAKDOWN:.0%}",
            )
        )
    if findings.shift_auroc >= _SHIFTED and findings.kinship < _STRANGER:
        doubts.append(
            (
                "unrelated target",
                "the target does not vary like the source (kinship "
                f"{max(findings.kinship, 0):.2f} of 1): is it the same kind of object?",
            )
        )
    return doubts
