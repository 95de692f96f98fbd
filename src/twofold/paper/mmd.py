"""The paper's method with maximum mean discrepancy as its alignment (its Table 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from twofold.paper.options import Alignment
from twofold.paper.paper import Paper, PaperConfig

__all__ = ["PaperMmd", "PaperMmdConfig"]


class PaperMmdConfig(PaperConfig):
    """As the paper's, with the weight that the Transfer-Learning-Library gives MMD."""

    AS_PRINTED: ClassVar[Mapping[str, Any]] = {**PaperConfig.AS_PRINTED, "lambda_uda": 1.0}

    alignment: Alignment = "mmd"


class PaperMmd(Paper):
    """Draws the means and shapes of the source and the dominant cluster together; no negatives."""

    id = "paper_mmd"
    summary = "the paper's selection, aligned by maximum mean discrepancy"
    Config = PaperMmdConfig
