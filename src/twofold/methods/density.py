"""Options and checks that the methods with a shrunk Gaussian on frozen features share."""

from __future__ import annotations

from pydantic import Field

from twofold.densities import Gaussian, Shrinkage
from twofold.encoders.sides import at_side
from twofold.methods.base import MethodConfig

__all__ = ["DensityConfig", "WholeConfig", "check_gaussian"]


class DensityConfig(MethodConfig):
    """Options of the density methods."""

    # FAST-MCD's usual compromise, at little loss of precision when no image is anomalous (Hubert &
    # Debruyne 2010). With a single start, anomalies of one kind that lie close together may stay in
    # at smaller shares (see `fit_trimmed`).
    trim: float = Field(default=0.25, ge=0, le=0.5)
    # Ledoit-Wolf makes no assumption on the distribution; OAS assumes a Gaussian.
    shrinkage: Shrinkage = "ledoit_wolf"


class WholeConfig(MethodConfig):
    """Options of methods that read one vector of the whole image."""

    # Side in pixels of the square in which images are seen; None: the encoder's own.
    image_size: int | None = Field(default=None, ge=64, le=2048)

    def outputs(self) -> tuple[str, ...]:
        """The vectors alone."""
        return (self.vectors(),)

    def vectors(self) -> str:
        """Name of the vectors."""
        return at_side("pooled", self.image_size)


def check_gaussian(model: Gaussian, dim: int) -> None:
    """Refuse arrays that are not a Gaussian of so many dimensions.

    Raises:
        ValueError: they are not.
    """
    if model.mean.shape != (dim,) or model.basis.shape[1:] != (dim,) or len(model.basis) > dim:
        raise ValueError(
            f"expected {dim} dimensions, got {model.mean.shape} and {model.basis.shape}"
        )
    if not model.floor > 0 and len(model.basis) < dim:
        raise ValueError(f"the floor must be positive, not {model.floor}")
