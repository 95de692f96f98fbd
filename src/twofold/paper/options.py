"""Options of the trained methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from twofold.encoders.backbone import Trainable
from twofold.methods.config import MethodConfig
from twofold.training import TrainingConfig

__all__ = [
    "AdaptationConfig",
    "Alignment",
    "CenterPolicy",
    "Geometry",
    "Recipe",
    "entrance",
]

Alignment = Literal["contrastive", "infonce", "mmd", "grl"]
CenterPolicy = Literal["fixed", "epoch", "ema", "batch"]
Geometry = Literal["euclidean", "sphere"]
"""Where features live: as the network gives them, or L2-normalised."""
Recipe = Literal["as_printed", "reasoned"]
"""How what the paper leaves open is settled: as its equations stand, with plain defaults, or each
choice for its own reason."""


def entrance(trainable: Trainable) -> str:
    """Name of the encoder's output that enters what is trained."""
    # What enters a head is the pooled vector, which the cache most likely has.
    return "pooled" if trainable == "head" else f"split:{trainable}"


class AdaptationConfig(MethodConfig):
    """Options of eq. 10. The paper states none of them; docs/methods.md says why each default."""

    # What "reasoned" has otherwise; a variant adds its own. A linear layer on frozen vectors
    # trains: a few hundred images settle it, where the convolutions of a last stage lose what the
    # encoder knows before the domains are aligned. At least 200 steps, since a source of a dozen
    # images has an epoch of one. One geometry for eq. 5, eq. 8 and the score. Both terms of eq. 10
    # weigh alike: "initial" makes eq. 5 begin at 1. And the push of eq. 8, which never ends, ends
    # where negatives are half as like the source as positives: nothing says which are anomalies.
    REASONED: ClassVar[Mapping[str, Any]] = {
        "training": {"trainable": "head", "min_steps": 200},
        "geometry": "sphere",
        "lambda_uda": 1.0,
        "debias": 0.5,
    }

    # Settles the defaults of the options below; one that is given stays as it is given.
    recipe: Recipe = "as_printed"
    training: TrainingConfig = TrainingConfig()
    # "sphere" L2-normalises the features for eq. 5 and the score too. As printed, eq. 5 is
    # Euclidean and eq. 8 angular: alignment may move lengths, which it does not see, and the score
    # is made of them.
    geometry: Geometry = "euclidean"
    # Recomputing the centre lets it follow the features into a collapse.
    center: CenterPolicy = "fixed"
    lambda_ad: float = Field(default=1.0, ge=0)  # Weight of compactness, eq. 5.
    # Eq. 5 is a sum over d squared deviations, eq. 8 a logarithm of cosines: unscaled, compactness
    # outweighs alignment by hundreds and nothing is adapted. "initial" divides eq. 5 by its value
    # before training (no constant to tune, whatever the encoder), "dimension" by d (PANDA).
    ad_scale: Literal["initial", "dimension", "none"] = "initial"
    alignment: Alignment = "contrastive"
    lambda_uda: float = Field(default=0.1, ge=0)  # Weight of alignment, eq. 8-9.
    temperature: float = Field(default=0.1, gt=0)  # tau of eq. 8.
    alpha: float = Field(default=1.0, gt=0)  # Factor of the negatives' similarities; 1 is eq. 8.
    debias: float = Field(default=0.0, ge=0, lt=1)  # Presumed share of normals among negatives.
    # Far from the origin all cosines are near 1; off, as eq. 8 has no centre.
    center_before_cosine: bool = False
    batch_dominant: int = Field(default=32, ge=1)
    # A quota: under scarcity a random batch often has no negative at all, and eq. 8 no value.
    batch_others: int = Field(default=16, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _reasoned(cls, given: Any) -> Any:
        """Fill in what ``reasoned`` has otherwise and nobody has set."""
        if not isinstance(given, Mapping) or given.get("recipe") != "reasoned":
            return given
        filled = {**cls.REASONED, **given}
        training = given.get("training")
        if isinstance(training, Mapping):
            filled["training"] = {**cls.REASONED["training"], **training}
        return filled

    @model_validator(mode="after")
    def _enough_for_live_statistics(self) -> AdaptationConfig:
        least = min(self.training.batch_source, self.batch_dominant)
        live = self.training.batch_norm != "frozen" or self.alignment == "grl"
        if live and least < 2:
            raise ValueError(
                "training.batch_source and batch_dominant must be at least 2 where batch "
                "normalisation is live (training.batch_norm, alignment grl)"
            )
        return self

    def split(self) -> str:
        """Name of the activations that enter the trained part."""
        return entrance(self.training.trainable)

    def outputs(self) -> tuple[str, ...]:
        """Those, and the frozen vectors."""
        return tuple(dict.fromkeys(("pooled", self.split())))
