"""ILDR: an autoencoder controlled by a latent vector that is inferred from a domain's normals."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field, field_validator
from torch import nn

from twofold.augmentation import PatchSides, Style
from twofold.comparison.ildr.domains import Domain, IldrObjective, Maker
from twofold.comparison.ildr.network import IldrNetwork, Scorer
from twofold.comparison.negatives import ContrastedMethod, NegativesConfig
from twofold.encoders.encode import EncodedImages
from twofold.errors import CollapseError
from twofold.methods.arrays import load_arrays, module_arrays
from twofold.methods.base import Diagnostics, FitData, Found, OutOfSample, Progress, folds
from twofold.methods.rows import HALVES
from twofold.training import (
    UNBOUNDED_GRADIENT,
    TrainingConfig,
    forward_all,
    local_generator,
    optimise,
)

__all__ = ["Ildr", "IldrConfig"]

Array = NDArray[np.float64]

# A feature that hardly varies in the source is not divided by less than this part of the mean
# deviation: otherwise a unit that only the target wakes would outweigh all others.
_LEAST_DEVIATION = 0.1


class IldrConfig(NegativesConfig):
    """None of it could be checked against the article; sizes and weights are our choice."""

    # "pseudo": images in which patches of a normal are in disorder, fair to the one-class setting.
    # "labelled": the article's setting, which needs source_anomalies. "none" drops the AUC term.
    source_negatives: Literal["pseudo", "labelled", "none"] = "pseudo"
    patch_sides: PatchSides = (16, 72)  # Of Ge et al.'s released command, at 224 pixels.
    # The article infers the target's vector without training on it, and also reports training on
    # its normals; with one source domain the vector would otherwise see one domain only.
    train_on_shots: bool = True
    # Further domains made of the source's images; off, as they are an invention of ours.
    simulated_domains: tuple[Style, ...] = ()
    vector_dim: int = Field(default=8, ge=1)  # K: few domains need few numbers.
    hidden_dim: int = Field(default=128, ge=1)
    code_dim: int = Field(default=32, ge=1)  # Narrower than the features, or nothing is learnt.
    auc_weight: float = Field(default=1.0, ge=0)  # lambda
    kl_weight: float = Field(default=0.1, ge=0)  # beta, for an error divided by d.
    latent_epochs: int = Field(default=200, ge=1)
    latent_max_steps: int | None = Field(default=None, ge=1)  # Bounds the time of a large source.
    latent_batch: int = Field(default=64, ge=1)  # Normals, and anomalies, of a domain per step.
    latent_learning_rate: float = Field(default=1e-3, gt=0)  # Adam's usual.
    set_sizes: PatchSides = (4, 16)  # So that a handful of shots is in distribution.
    latent_samples: int = Field(default=10, ge=1)  # Of the Monte-Carlo mean at test time.

    @field_validator("simulated_domains")
    @classmethod
    def _distinct(cls, styles: tuple[Style, ...]) -> tuple[Style, ...]:
        if len(set(styles)) < len(styles):
            raise ValueError("name each style once")
        return styles

    def outputs(self) -> tuple[str, ...]:
        """Vectors, and pixels where images are made from images."""
        makes = self.source_negatives == "pseudo" or self.simulated_domains
        return ("pooled", "pixels") if makes else ("pooled",)


class Ildr(ContrastedMethod):
    """Inferring latent domain representations, on frozen features. UNVERIFIED.

    After Kumagai, Iwata and Fujiwara 2019, "Transfer anomaly detection by inferring latent domain
    representations" (NeurIPS). The article itself could not be read and no code was found: what
    its abstract and reviews confirm is the idea (a vector per domain inferred from the set of its
    normals, which controls an autoencoder whose score is trained low on normals and high on
    anomalies, with the vector's uncertainty averaged over). Formulae, sizes and training are from
    memory or ours, so results are no reproduction. See docs/methods/ildr.md.
    """

    id = "ildr"
    summary = "autoencoder controlled by a vector inferred from the shots (formulae unverified)"
    Config = IldrConfig
    config: IldrConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        assert data.target_shots is not None
        self.mean_, self.scale_ = _standards(data.source["pooled"])
        domains = [d.mapped(self._standardised) for d in self._domains(data, random_state)]
        generator = local_generator(random_state)
        network = self._network(generator)
        objective = IldrObjective(
            domains,
            latent=self.config.vector_dim,
            batch=self.config.latent_batch,
            set_sizes=self.config.set_sizes,
            weights=(self.config.auc_weight, self.config.kl_weight),
            generator=generator,
        )
        training = TrainingConfig(
            epochs=self.config.latent_epochs,
            max_steps=self.config.latent_max_steps,
            gradient_clip=UNBOUNDED_GRADIENT,
        )
        log = optimise(
            network,
            objective,
            training,
            steps_per_epoch=max(1, len(data.source) // self.config.latent_batch),
            progress=progress,
            make_optimiser=self._adam,
        )
        self.network_ = network
        self.noise_ = self._noise(generator)
        self.vectors_ = self._vectors(data.target_shots)
        return Found(Diagnostics.of_training(log.losses, log.steps))

    def _domains(self, data: FitData, random_state: int) -> list[Domain]:
        """The source, its simulated versions, and perhaps the target."""
        assert data.target_shots is not None
        make = Maker(self.encoder, random_state, self.config.patch_sides)
        pseudo = self.config.source_negatives == "pseudo"
        odd, nothing = data.source_anomalies, data.source["pooled"][:0]

        def anomalies(images: EncodedImages, known: EncodedImages | None) -> NDArray[np.float32]:
            if pseudo:
                return make.pseudo(images["pixels"])
            return nothing if known is None else known["pooled"]

        domains = [Domain(data.source["pooled"], anomalies(data.source, odd))]
        for style in self.config.simulated_domains:
            if pseudo:
                beside = make.pseudo(data.source["pixels"], style)
            else:
                beside = nothing if odd is None else make.restyled(odd["pixels"], style)
            domains.append(Domain(make.restyled(data.source["pixels"], style), beside))
        if self.config.train_on_shots:
            shots = data.target_shots
            domains.append(Domain(shots["pooled"], anomalies(shots, None)))
        return domains

    def _network(self, generator: torch.Generator | None = None) -> IldrNetwork:
        config = self.config
        return IldrNetwork(
            self.encoder.spec.feature_dim,
            config.vector_dim,
            config.hidden_dim,
            config.code_dim,
            generator,
        )

    def _adam(self, network: nn.Module) -> torch.optim.Optimizer:
        return torch.optim.Adam(network.parameters(), lr=self.config.latent_learning_rate)

    def _noise(self, generator: torch.Generator) -> NDArray[np.float32]:
        """Draws of the Monte-Carlo mean, the same for every image and every domain."""
        shape = (self.config.latent_samples, self.config.vector_dim)
        return np.asarray(torch.randn(shape, generator=generator).numpy())

    def _vectors(self, images: EncodedImages) -> NDArray[np.float32]:
        """Samples of q(z | images), float32 (samples, K)."""
        known = torch.from_numpy(self._standardised(images["pooled"]))
        with torch.no_grad():
            mean, log_variance = self.network_.infer(known)
        noise = torch.from_numpy(self.noise_)
        return np.asarray((mean + noise * (log_variance / 2).exp()).numpy())

    def _standardised(self, features: NDArray[np.float32]) -> NDArray[np.float32]:
        return np.asarray((features - self.mean_) / self.scale_, dtype=np.float32)

    def _score(self, images: EncodedImages) -> Array:
        return self._scores(images, self.vectors_)

    def _scores(self, images: EncodedImages, vectors: NDArray[np.float32]) -> Array:
        scorer = Scorer(self.network_, torch.from_numpy(vectors))
        return forward_all(scorer, self._standardised(images["pooled"]))[:, 0]

    def _cross_fit(self, data: FitData, random_state: int) -> OutOfSample:
        """Source images by fits without them, under the vector of as many normals as shots.

        An image of the target is scored under its own domain's vector, and so is this one.
        """
        assert data.target_shots is not None
        scores = np.empty(len(data.source))
        for fold in folds(data.source.grouping(), HALVES, random_state):
            rest = data.source.subset(~fold)
            less = replace(data, source=rest)
            other = type(self)(self.encoder, self.config).fit(less, random_state=random_state).model
            order = np.random.default_rng(random_state).permutation(len(rest))
            vectors = other._vectors(rest.subset(order[: len(data.target_shots)]))
            scores[fold] = other._scores(data.source.subset(fold), vectors)
        return OutOfSample(scores, "source", data.source.grouping())

    def _state(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {
            "mean": self.mean_,
            "scale": self.scale_,
            "noise": self.noise_,
            "vectors": self.vectors_,
        }
        return arrays | module_arrays(self.network_, "network.")

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.mean_, self.scale_ = state.pop("mean"), state.pop("scale")
        self.noise_, self.vectors_ = state.pop("noise"), state.pop("vectors")
        dim, drawn = (self.encoder.spec.feature_dim,), self._noise(local_generator(0)).shape
        for name, array, shape in (
            ("mean", self.mean_, dim),
            ("scale", self.scale_, dim),
            ("noise", self.noise_, drawn),
            ("vectors", self.vectors_, drawn),
        ):
            if array.shape != shape:
                raise ValueError(f"{name} has shape {array.shape}")
        network = self._network()
        load_arrays(network, state, "network.")
        self.network_ = network.eval()


def _standards(features: NDArray[np.float32]) -> tuple[Array, Array]:
    """Mean and deviation of each feature, float64 (d,), the latter bounded from below.

    Raises:
        CollapseError: all rows are the same.
    """
    rows = features.astype(np.float64)
    mean, deviation = rows.mean(axis=0), rows.std(axis=0)
    spread = float(deviation.mean())
    # float32 features of one image differ by about 1e-7 of their size, which means nothing.
    if spread <= 1e-6 * float(np.abs(mean).max()):
        raise CollapseError("all source images have the same features: nothing to train on")
    return mean, np.maximum(deviation, _LEAST_DEVIATION * spread)
