"""A person's marks of a few images: which to ask about, and what they prove about the rest."""

from twofold.marks.design import STRATA, Design, draw_design
from twofold.marks.estimate import estimate
from twofold.marks.estimates import RATES, Estimate, Estimates

__all__ = ["RATES", "STRATA", "Design", "Estimate", "Estimates", "draw_design", "estimate"]
