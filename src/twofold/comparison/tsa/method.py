"""TSA: transferable semantic augmentation, turned into a few-shot detector."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field

from twofold.augmentation import PatchSides, Policy, pseudo_anomalies, views_of
from twofold.comparison.negatives import ContrastedMethod, NegativesConfig
from twofold.comparison.tsa.training import Labelled, TsaNetwork, TsaObjective
from twofold.densities import in_blocks
from twofold.encoders.encode import EncodedImages
from twofold.encoders.pixels import encode_pixels
from twofold.encoders.spec import Trainable
from twofold.methods.arrays import load_arrays, module_arrays
from twofold.methods.base import Diagnostics, FitData, Found, Progress
from twofold.paper.options import entrance
from twofold.training import (
    UNBOUNDED_GRADIENT,
    Step,
    TrainingConfig,
    forward_all,
    local_generator,
    optimise,
)

__all__ = ["Tsa", "TsaConfig"]

Array = NDArray[np.float64]
Rows = NDArray[np.float32]


class TsaConfig(NegativesConfig):
    """The released settings, but for what detection and a CPU need."""

    # The release trains a ResNet-50 whole. "head" trains bottleneck and classifier on vectors that
    # are computed once; "last_stage" and "all" go on with the encoder.
    trains: Trainable = "head"
    # What the class "anomaly" is in the source. "pseudo" is fair to the one-class setting;
    # "labelled" are source_anomalies, such as images of other classes.
    source_negatives: Literal["pseudo", "labelled"] = "pseudo"
    # Source normals with a pseudo-anomaly; each is one more image to encode.
    pseudo_limit: int = Field(default=512, ge=1)
    patch_sides: PatchSides = (16, 72)  # Of Ge et al.'s released command, at 224 pixels.
    # Views of each shot, and a pseudo-anomaly of each; made once, so that frozen layers run once.
    views: int = Field(default=16, ge=1)
    augmentation: Policy = "msra"
    bottleneck_dim: int = Field(default=256, ge=1)
    augmentation_strength: float = Field(default=0.25, ge=0)  # lambda_0.
    mi_weight: float = Field(default=0.1, ge=0)  # beta.
    # rho: k shots give a covariance of rank k - 1 at most. Ours; the release has full classes.
    covariance_shrinkage: float = Field(default=0.1, ge=0, le=1)
    # The release takes what the classifier says of a target image; here the shots are known.
    pseudo_labels: bool = False
    tsa_batch: int = Field(default=32, ge=2)  # Images of each domain per step.
    # The release takes 20,000 for thousands of images: as many passes over some hundreds are
    # about a thousand.
    iterations: int = Field(default=1000, ge=1)
    tsa_learning_rate: float = Field(default=0.01, gt=0)
    encoder_rate_factor: float = Field(default=0.1, gt=0)  # Pretrained layers learn slower.
    tsa_weight_decay: float = Field(default=1e-3, ge=0)
    sgd_momentum: float = Field(default=0.9, ge=0, lt=1)  # Nesterov's.
    rate_gamma: float = Field(default=0.001, ge=0)  # Rate times (1 + gamma i)^-power at step i.
    rate_power: float = Field(default=0.75, ge=0)

    def outputs(self) -> tuple[str, ...]:
        """What enters the network, and pixels where pseudo-anomalies of the source are made."""
        pixels = ("pixels",) if self.source_negatives == "pseudo" else ()
        return tuple(dict.fromkeys(("pooled", entrance(self.trains), *pixels)))

    def shot_outputs(self) -> tuple[str, ...]:
        """Augmentation happens before the encoder."""
        return ("pixels",)


class Tsa(ContrastedMethod):
    """TSA (Li et al. 2021, "Transferable semantic augmentation for domain adaptation").

    Originally C-class adaptation. With one class its loss is constant, and how it was turned into
    a detector for published comparisons is not stated. Our reading: two classes, normal and
    anomaly, where anomalies are pseudo-anomalies of the normals (or labelled source images), and
    the target's memory holds the shots and their pseudo-anomalies. Source features are classified
    under infinitely many shifts towards the target, in closed form. Score: logit of anomaly less
    that of normal.
    """

    id = "tsa"
    summary = "TSA (few-shot): a classifier of pseudo-anomalies, augmented towards the target"
    Config = TsaConfig
    config: TsaConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        generator = local_generator(random_state)
        network = self._network(generator)
        source, target = self._domains(data, random_state)
        objective = TsaObjective(
            source,
            target,
            batch=self.config.tsa_batch,
            strength=self.config.augmentation_strength,
            mi_weight=self.config.mi_weight,
            shrinkage=self.config.covariance_shrinkage,
            pseudo_labels=self.config.pseudo_labels,
            generator=generator,
        )
        objective.fill(network)
        self.network_ = network
        per_epoch = max(1, len(data.source) // self.config.tsa_batch)
        log = optimise(
            network,
            objective,
            self._training(per_epoch),
            steps_per_epoch=per_epoch,
            progress=progress,
            rate=self._rate,
            after_epoch=self._watched(lambda: None),
        )
        return Found(Diagnostics.of_training(log.losses, log.steps))

    def _domains(self, data: FitData, random_state: int) -> tuple[Labelled, Labelled]:
        """Source and target, each with its anomalies."""
        assert data.target_shots is not None
        draws, sides = np.random.default_rng(random_state), self.config.patch_sides
        split, width = entrance(self.config.trains), self.config.bottleneck_dim
        shots = data.target_shots["pixels"][:]
        views = views_of(shots, self.config.views, self.config.augmentation, draws)
        made = np.concatenate([views, pseudo_anomalies(views, sides, draws)])
        encoded = encode_pixels(self.encoder, made, split)
        target = Labelled(encoded[: len(views)], encoded[len(views) :], width)
        if data.source_anomalies is None:
            chosen = draws.permutation(len(data.source))[: self.config.pseudo_limit]
            shuffled = pseudo_anomalies(data.source["pixels"][np.sort(chosen)], sides, draws)
            anomalous = encode_pixels(self.encoder, shuffled, split)
        else:
            anomalous = data.source_anomalies[split]
        return Labelled(data.source[split], anomalous, width), target

    def _training(self, per_epoch: int = 1) -> TrainingConfig:
        """The release's network and optimiser for the common loop."""
        options = self.config
        return TrainingConfig(
            trainable=options.trains,
            head="projection",
            head_dim=options.bottleneck_dim,
            batch_norm="joint",
            epochs=-(-options.iterations // per_epoch),
            max_steps=options.iterations,
            learning_rate=options.tsa_learning_rate * options.encoder_rate_factor,
            head_learning_rate_factor=1 / options.encoder_rate_factor,
            momentum=options.sgd_momentum,
            weight_decay=options.tsa_weight_decay,
            gradient_clip=UNBOUNDED_GRADIENT,
        )

    def _rate(self, step: Step) -> float:
        return float((1 + self.config.rate_gamma * step.index) ** -self.config.rate_power)

    def _network(self, generator: torch.Generator | None = None) -> TsaNetwork:
        return TsaNetwork(self.encoder, self._training(), generator)

    def _score(self, images: EncodedImages) -> Array:
        weight, bias = (p.detach().double().numpy() for p in self.network_.head.parameters())
        features = forward_all(self.network_, images[entrance(self.config.trains)])
        direction, offset = weight[1] - weight[0], float(bias[1] - bias[0])
        return in_blocks(lambda rows: rows @ direction + offset, features)

    def _state(self) -> dict[str, NDArray[Any]]:
        return module_arrays(self.network_, "")

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        network = self._network()
        load_arrays(network, state, "")
        self.network_ = network.eval()
