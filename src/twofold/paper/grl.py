"""The paper's method with adversarial alignment (its Table 6)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from twofold.paper.options import Alignment
from twofold.paper.paper import Paper, PaperConfig

__all__ = ["PaperGrl", "PaperGrlConfig"]


class PaperGrlConfig(PaperConfig):
    """As the paper's; the reversal's own schedule weakens the term at the start."""

    AS_PRINTED: ClassVar[Mapping[str, Any]] = {**PaperConfig.AS_PRINTED, "lambda_uda": 1.0}

    alignment: Alignment = "grl"


class PaperGrl(Paper):
    """A discriminator tells source from dominant cluster; the features unlearn it; no negatives."""

    id = "paper_grl"
    summary = "the paper's selection, aligned adversarially through a gradient reversal"
    Config = PaperGrlConfig
