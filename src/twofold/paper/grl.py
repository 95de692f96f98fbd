"""The paper's method with adversarial alignment (its Table 6)."""

from __future__ import annotations

from pydantic import Field

from twofold.paper.options import Alignment
from twofold.paper.paper import Paper, PaperConfig

__all__ = ["PaperGrl", "PaperGrlConfig"]


class PaperGrlConfig(PaperConfig):
    """As the paper's; the reversal's own schedule weakens the term at the start."""

    alignment: Alignment = "grl"
    lambda_uda: float = Field(default=1.0, ge=0)


class PaperGrl(Paper):
    """A discriminator tells source from dominant cluster; the features unlearn it; no negatives."""

    id = "paper_grl"
    summary = "the paper's selection, aligned adversarially through a gradient reversal"
    Config = PaperGrlConfig
