"""What the findings amount to: adapt, keep the source's detector, or do not trust the result."""

from __future__ import annotations

from dataclasses import dataclass

from twofold.densities import TWO_MODES
from twofold.evidence.study import BREAKDOWN, LEAST_IMAGES, Findings
from twofold.thresholds import images_needed

__all__ = ["ADAPT", "DO_NOT_TRUST", "NO_SHIFT", "Verdict", "judge"]

ADAPT = "adapt"
NO_SHIFT = "no shift: source detector suffices"
DO_NOT_TRUST = "do not trust"

# Half way from guessing to telling the domains apart without error. An anomaly share of e adds at
# most e / 2 to one half, so that 40% of anomalies alone do not reach it.
_SHIFTED = 0.75
# A twentieth of what the target's own half explains is as good as nothing. A tenth is not: sketches
# have that of the very photographs of their class.
_STRANGER = 0.05
# No label-free statistic that was tried orders pools of 10% and 40% rightly in nine of ten pairs,
# so no estimate of the share is given: its honest interval would be 0 to one half.
_UNKNOWN_SHARE = (
    "how many anomalies the pool holds is unknown: look at the highest-ranked images, or judge 20 "
    "images drawn at random"
)


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
    *,
    n_source: int,
    n_target: int,
    n_groups: int | None = None,
    false_alarm_rate: float,
) -> Verdict:
    """Read the findings.

    Args:
        findings: None where there were too few images for any.
        n_source: usable source images.
        n_target: usable target images.
        n_groups: how many of them are independent of each other; None: all.
        false_alarm_rate: that a threshold is wanted for.
    """
    independent = n_target if n_groups is None else n_groups
    if findings is None or min(n_source, independent) < LEAST_IMAGES:
        few = "source" if n_source < LEAST_IMAGES else "target"
        count = str(n_source) if few == "source" else _counted(n_target, independent)
        return Verdict(
            f"{DO_NOT_TRUST}: too few {few} images",
            (f"{count} {few} images, at least {LEAST_IMAGES} are needed",),
        )
    doubts = _doubts(findings)
    told = f"held-out images are told apart with an AUROC of {findings.shift_auroc:.2f}"
    if doubts:
        return Verdict(
            f"{DO_NOT_TRUST}: {doubts[0][0]}", (*(why for _, why in doubts), told, _UNKNOWN_SHARE)
        )
    apart = _apart(findings)
    more = (*apart, *_few(n_target, independent, false_alarm_rate), _UNKNOWN_SHARE)
    if findings.shift_auroc < _SHIFTED:
        return Verdict(NO_SHIFT, (f"source and target look alike: {told}", *more))
    one = "one dominant mode" if apart else "no sign against one dominant mode"
    return Verdict(ADAPT, (f"a shift ({told}) and {one}", *more))


def _counted(n_target: int, independent: int) -> str:
    """How many there are, and how many of them are independent of each other if fewer."""
    return str(n_target) if independent == n_target else f"{independent} independent of {n_target}"


def _few(n_target: int, independent: int, false_alarm_rate: float) -> tuple[str, ...]:
    """What too few images for the rate mean."""
    needed = images_needed(false_alarm_rate)
    if independent >= needed:
        return ()
    return (
        f"{_counted(n_target, independent)} target images rank new ones, but support no "
        f"false-alarm rate below {1 / (independent + 1):.3g}; {false_alarm_rate:g} needs {needed}",
    )


def _apart(findings: Findings) -> tuple[str, ...]:
    """What a lesser group means: of two kinds of images the fit takes the larger for normal."""
    if findings.two_modes_p_value > TWO_MODES or not 0 < findings.minor_share <= BREAKDOWN:
        return ()
    some = ", ".join(findings.minor_images)
    return (
        f"{findings.minor_share:.0%} of the pool lies apart from the rest "
        f"(p = {findings.two_modes_p_value:.3f}), such as {some}: fits of whole images take it "
        "for anomalous; if it is normal, put some of its images into the source",
    )


def _doubts(findings: Findings) -> list[tuple[str, str]]:
    """What speaks against trusting the result: a name and a line each."""
    doubts = []
    two = findings.two_modes_p_value <= TWO_MODES and findings.minor_share_low > BREAKDOWN
    if two:
        doubts.append(
            (
                "no dominant mode",
                f"the pool falls into two groups of {1 - findings.minor_share:.0%} and "
                f"{findings.minor_share:.0%} (p = {findings.two_modes_p_value:.3f}); "
                f"the fit can bear {BREAKDOWN:.0%}",
            )
        )
    # As with the kinship: only where the whole interval says so.
    if not two and findings.distance_skewness_high < 0:
        doubts.append(
            (
                "no dominant mode",
                "most images of the pool lie far from each other (skewness of their distances "
                f"{findings.distance_skewness:.2f}, at most {findings.distance_skewness_high:.2f})",
            )
        )
    if findings.shift_auroc >= _SHIFTED and findings.kinship_high < _STRANGER:
        doubts.append(
            (
                "unrelated target",
                "the target does not vary like the source (kinship "
                f"{findings.kinship:.2f} of 1, at most {findings.kinship_high:.2f}): is it the "
                "same kind of object?",
            )
        )
    return doubts
