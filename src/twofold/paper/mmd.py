"""The paper's method with maximum mean discrepancy as its alignment (its Table 6)."""

from __future__ import annotations

from pydantic import Field

from twofold.paper.options import Alignment
from twofold.paper.paper import Paper, PaperConfig

__all__ = ["PaperMmd", "PaperMmdConfig"]


class PaperMmdConfig(PaperConfig):
    """As the paper's, with the weight that the Transfer-Learning-Library gives MMD."""

    alignment: Alignment = "mmd"
    lambda_uda: float = Field(default=1.0, ge=0)


class PaperMmd(Paper):
    """Draws the means and shapes of the source and the dominant cluster together; no negatives."""

    id = "paper_mmd"
    summary = "the paper's selection, aligned by maximum mean discrepancy"
    Config = PaperMmdConfig
