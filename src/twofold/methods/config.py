"""A method's options, and what they say about what it reads."""

from __future__ import annotations

from typing import Literal, Self

from pydantic import BaseModel, ConfigDict

__all__ = ["MethodConfig", "Need"]

Need = Literal[
    "target_pool", "target_shots", "source_anomalies", "target_labels", "source_reference"
]
"""What a method may consume besides the source normals, which all of them get."""


class MethodConfig(BaseModel):
    """Base of every method's options: typed, validated, immutable; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    def wanted(self, needs: frozenset[Need]) -> frozenset[Need]:
        """What a method with these needs consumes under these options."""
        return needs

    def outputs(self) -> tuple[str, ...]:
        """Names of the encoder outputs that fit and score read."""
        return ("pooled",)

    def shot_outputs(self) -> tuple[str, ...]:
        """The outputs of ``target_shots``; ``pixels`` are the images before the encoder."""
        return self.outputs()

    def has_maps(self) -> bool:
        """Whether the method can say where in an image the anomaly is."""
        return False

    def reads_text(self) -> bool:
        """Whether the fit asks the encoder for the vector of a text."""
        return False

    def for_class(self, name: str) -> Self:
        """These options for a benchmark's cell whose normal class has this name."""
        del name
        return self

    def selection_encoder(self) -> str | None:
        """Id of a second encoder whose view of the pool the fit needs, if any."""
        return None
