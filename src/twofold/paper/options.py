"""Options of the trained methods."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, Literal

from pydantic import Field, model_validator

from twofold.encoders.spec import Trainable
from twofold.methods.config import MethodConfig
from twofold.training import TrainingConfig

__all__ = [
    "AdaptationConfig",
    "AdaptationTraining",
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
Recipe = Literal["reasoned", "as_printed"]
"""How what the paper leaves open is settled: each choice for its own reason, or as its equations
stand, with plain defaults."""


def entrance(trainable: Trainable) -> str:
    """Name of the encoder's output that enters what is trained."""
    # What enters a head is the pooled vector, which the cache most likely has.
    return "pooled" if trainable == "head" else f"split:{trainable}"


class AdaptationTraining(TrainingConfig):
    """How the trained methods train by default."""

    # A linear layer on the frozen vectors: a few hundred images settle it, where the convolutions
    # of a last stage lose what the encoder knows before they have aligned the domains.
    trainable: Trainable = "head"
    # A source of a dozen images has an epoch of one step, and the domains move apart by no less.
    min_steps: int = Field(default=200, ge=0)


class AdaptationConfig(MethodConfig):
    """Options of eq. 10. The paper states none of them; docs/methods.md says why each default."""

    # What differs in "as_printed"; a variant adds its own.
    AS_PRINTED: ClassVar[Mapping[str, Any]] = {
        "training": {"trainable": "last_stage", "min_steps": 0},
        "geometry": "euclidean",
        "lambda_uda": 0.1,
        "debias": 0.0,
    }

    # Settles the defaults of the options below; one that is given stays as it is given.
    recipe: Recipe = "reasoned"
    training: AdaptationTraining = AdaptationTraining()
    # "sphere" L2-normalises the features for eq. 5 and the score too. As printed, eq. 5 is
    # Euclidean and eq. 8 angular: alignment may move lengths, which it does not see, and the score
    # is made of them.
    geometry: Geometry = "sphere"
    # Recomputing the centre lets it follow the features into a collapse.
    center: CenterPolicy = "fixed"
    lambda_ad: float = Field(default=1.0, ge=0)  # Weight of compactness, eq. 5.
    # Eq. 5 is a sum over d squared deviations, eq. 8 a logarithm of cosines: unscaled, compactness
    # outweighs alignment by hundreds and nothing is adapted. "initial" divides eq. 5 by its value
    # before training (no constant to tune, whatever the encoder), "dimension" by d (PANDA).
    ad_scale: Literal["initial", "dimension", "none"] = "initial"
    alignment: Alignment = "contrastive"
    # Weight of alignment, eq. 8-9. Both terms of eq. 10 then matter: "initial" makes eq. 5 begin
    # at 1, and the cosines of eq. 8 vary by about 1 / temperature times their spread.
    lambda_uda: float = Field(default=1.0, ge=0)
    temperature: float = Field(default=0.1, gt=0)  # tau of eq. 8.
    alpha: float = Field(default=1.0, gt=0)  # Factor of the negatives' similarities; 1 is eq. 8.
    # Presumed share of normals among the negatives. The push of eq. 8 never ends, on normals that
    # were taken for anomalies too; with a share above 0 it ends once negatives are less like the
    # source than that. A half: nothing in the pool says which of the odd ones are anomalies.
    debias: float = Field(default=0.5, ge=0, lt=1)
    # Far from the origin all cosines are near 1; off, as eq. 8 has no centre.
    center_before_cosine: bool = False
    batch_dominant: int = Field(default=32, ge=1)
    # A quota: under scarcity a random batch often has no negative at all, and eq. 8 no value.
    batch_others: int = Field(default=16, ge=0)

    @model_validator(mode="before")
    @classmethod
    def _printed(cls, given: Any) -> Any:
        """Fill in what ``as_printed`` has otherwise and nobody has set."""
        if not isinstance(given, Mapping) or given.get("recipe") != "as_printed":
            return given
        filled = {**cls.AS_PRINTED, **given}
        training = given.get("training")
        if isinstance(training, Mapping):
            filled["training"] = {**cls.AS_PRINTED["training"], **training}
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
