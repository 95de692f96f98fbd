"""What is known about a fit without any label."""

from twofold.evidence.facts import NOT_STUDIED, Copies, Evidence, collect_evidence
from twofold.evidence.study import LEAST_IMAGES, Findings, study
from twofold.evidence.verdict import ADAPT, DO_NOT_TRUST, NO_SHIFT, Verdict, judge
from twofold.evidence.visible import VisibleFlaws, visible_flaws

__all__ = [
    "ADAPT",
    "DO_NOT_TRUST",
    "LEAST_IMAGES",
    "NOT_STUDIED",
    "NO_SHIFT",
    "Copies",
    "Evidence",
    "Findings",
    "Verdict",
    "VisibleFlaws",
    "collect_evidence",
    "judge",
    "study",
    "visible_flaws",
]
