"""A person's marks of a few images: which to ask about, and what they prove about the rest."""

from twofold.marks._checks import checked_marks, checked_strata
from twofold.marks.certificate import Certificate, certify, check_against
from twofold.marks.correction import Correction, fit_correction
from twofold.marks.design import STRATA, Design, draw_design
from twofold.marks.document import DesignDocument, DesignImage, design_path
from twofold.marks.estimate import estimate
from twofold.marks.estimates import RATE_WORDS, RATES, Estimate, Estimates
from twofold.marks.file import MarksFile
from twofold.marks.lines import COLUMNS, Line, LineMark, MarkValue
from twofold.marks.planning import further_marks
from twofold.marks.proportions import clopper_pearson, finite_interval, marks_needed
from twofold.marks.standing import Disagreement, Standing, standing

__all__ = [
    "COLUMNS",
    "RATES",
    "RATE_WORDS",
    "STRATA",
    "Certificate",
    "Correction",
    "Design",
    "DesignDocument",
    "DesignImage",
    "Disagreement",
    "Estimate",
    "Estimates",
    "Line",
    "LineMark",
    "MarkValue",
    "MarksFile",
    "Standing",
    "certify",
    "check_against",
    "checked_marks",
    "checked_strata",
    "clopper_pearson",
    "design_path",
    "draw_design",
    "estimate",
    "finite_interval",
    "fit_correction",
    "further_marks",
    "marks_needed",
    "standing",
]
