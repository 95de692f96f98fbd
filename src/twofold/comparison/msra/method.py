"""MsRA: few-shot adaptation by multi-spectral pooling, one centre and two heads."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn

from twofold.augmentation import Policy, draw_views, views_of
from twofold.comparison.msra.network import MsraNetwork, MsraTrainee
from twofold.densities import in_blocks
from twofold.encoders.encode import EncodedImages
from twofold.encoders.pixels import encode_pixels
from twofold.encoders.spec import Trainable
from twofold.losses import (
    domain_nll,
    normality_loss,
    reversal_coefficient,
    reverse,
    two_domain_compactness,
)
from twofold.methods.arrays import load_arrays, module_arrays
from twofold.methods.base import Diagnostics, FitData, Found, Method, MethodConfig, Progress
from twofold.paper.options import Geometry
from twofold.training import (
    UNBOUNDED_GRADIENT,
    Step,
    TrainingConfig,
    as_batch,
    forward_all,
    local_generator,
    optimise,
)

__all__ = ["Msra", "MsraConfig"]

Array = NDArray[np.float64]
Rows = NDArray[np.float32]

_TRUNK = "network.trunk."  # In the names of saved arrays.


class MsraConfig(MethodConfig):
    """The released settings (for Office-Home), but for what a CPU needs."""

    # The release trains a ResNet-50 whole. "head" trains the pooling, the bottleneck and the heads
    # on maps that are computed once; "last_stage" and "all" go on with the encoder.
    trains: Trainable = "head"
    bottleneck_dim: int = Field(default=256, ge=1)
    head_hidden: int = Field(default=100, ge=1)
    dropout: float = Field(default=0.5, ge=0, lt=1)  # PyTorch's default; the share is not stated.
    compact_weight: float = Field(default=0.1, ge=0)  # Of L_svdd + L_center.
    # Whether a pooled vector keeps its length ("euclidean", the release) or all have the same.
    # Lengths follow contrast and size of what is shown. The release's ResNet-50 trains whole and
    # can unlearn that; the frozen layers of another family, with 35 steps at 1e-4 on top, cannot.
    geometry: Geometry = "sphere"
    # The class head ends in a sigmoid and its loss applies another: part of the published losses.
    sigmoid_twice: bool = True
    # Views of each shot are made and encoded once, so that frozen layers run once per view.
    views: int = Field(default=16, ge=1)
    augmentation: Policy = "msra"
    # Views of each source normal; 0 trains on the images themselves, whose maps are cached. The
    # release draws one anew in every epoch.
    source_views: int = Field(default=0, ge=0)
    domain_batch: int = Field(default=10, ge=1)  # Images of each domain per step.
    shot_epochs: int = Field(default=35, ge=1)  # Passes over the shots: 35 steps with ten.
    steps: int | None = Field(default=None, ge=1)  # In all, for runs of matched compute.
    msra_learning_rate: float = Field(default=1e-4, gt=0)  # Of all parameters alike.
    msra_weight_decay: float = Field(default=5e-7, ge=0)
    sgd_momentum: float = Field(default=0.9, ge=0, lt=1)  # Nesterov's.
    # Oddities of the release, see docs/methods/msra.md.
    always_eval: bool = False
    center_augmented: bool = False

    def split(self) -> str:
        """Name of the activations that enter the network."""
        return "split:last_stage" if self.trains == "head" else f"split:{self.trains}"

    def outputs(self) -> tuple[str, ...]:
        """Those, and pixels where views of the source are made."""
        return ("pooled", self.split(), *(("pixels",) if self.source_views else ()))

    def shot_outputs(self) -> tuple[str, ...]:
        """Augmentation happens before the encoder."""
        return ("pixels",)


class Msra(Method):
    """MsRA after its authors' release (BIT-DA/MsRA), on the maps of any encoder.

    h = bottleneck of a learned combination of 16 cosine coefficients of the deepest stage map,
    brought to one length (``geometry``; the release leaves lengths as they are). The
    loss adds domain confusion, a class head that calls everything normal, and the distances of h
    to each domain's mean and between the means. The score is the distance of h to the mean of all
    training images. The last step counts: the release reports the best epoch by test labels.
    """

    id = "msra"
    summary = "MsRA (few-shot): multi-spectral pooling, domain confusion and one centre"
    revision = 2
    needs = frozenset({"target_shots"})
    Config = MsraConfig
    config: MsraConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        generator = local_generator(random_state)
        network = self._network(generator).eval()
        source, views, plain = self._training_rows(data, network, random_state)
        trainee = MsraTrainee(
            network,
            hidden=self.config.head_hidden,
            dropout=self.config.dropout,
            from_coefficients=self.config.trains == "head",
            always_eval=self.config.always_eval,
            generator=generator,
        )
        sizes = len(data.source), len(plain)

        def step_loss(module: nn.Module, step: Step) -> Tensor:
            size = self.config.domain_batch
            batch = [
                rows[draw_views(n, len(rows) // n, size, generator)]
                for n, rows in zip(sizes, (source, views), strict=True)
            ]
            device = next(module.parameters()).device
            # One pass for both domains: live statistics of each by itself would adapt too.
            both = module(as_batch(np.concatenate(batch), device)).float()
            own, other = both.split(size)
            return self._loss(module, own, other, step.progress)

        def ready() -> None:
            if self.config.center_augmented:
                parts = [forward_all(trainee, rows) for rows in (source[:], views)]
            else:
                own = data.source[self.config.split()]
                parts = [forward_all(network, rows) for rows in (own, plain)]
            self.network_, self.center_ = network, _center(parts, sizes)

        training, per_epoch = self._training(*sizes)
        log = optimise(
            trainee,
            step_loss,
            training,
            steps_per_epoch=per_epoch,
            progress=progress,
            after_epoch=self._watched(ready),
        )
        ready()
        return Found(Diagnostics.of_training(log.losses, log.steps))

    def _training_rows(
        self, data: FitData, network: MsraNetwork, random_state: int
    ) -> tuple[Rows, Rows, Rows]:
        """What training draws from source and target; and the plain shots' activations."""
        assert data.target_shots is not None
        split, draws = self.config.split(), np.random.default_rng(random_state)
        shots = data.target_shots["pixels"][:].astype(np.uint8)
        views = views_of(shots, self.config.views, self.config.augmentation, draws)
        encoded = encode_pixels(self.encoder, np.concatenate([shots, views]), split)
        source = data.source[split]
        if self.config.source_views:
            pixels = data.source["pixels"][:]
            more = views_of(pixels, self.config.source_views, self.config.augmentation, draws)
            source = encode_pixels(self.encoder, more, split)
        plain, views_in = encoded[: len(shots)], encoded[len(shots) :]
        if self.config.trains != "head":
            return source, views_in, plain
        # Behind a frozen trunk, 16 numbers a channel are all there is to know of an image.
        source, target = (
            forward_all(network.trunk, rows).astype(np.float32) for rows in (source, views_in)
        )
        return source, target, plain

    def _loss(self, module: Any, source: Tensor, target: Tensor, progress: float) -> Tensor:
        features = torch.cat([source, target])
        strength = reversal_coefficient(progress)
        domains = module.domain_head(reverse(features, strength))
        loss = domain_nll(domains[: len(source)], domains[len(source) :])
        outputs = module.class_head(features).squeeze(1)
        for part in (outputs[: len(source)], outputs[len(source) :]):
            loss = loss + normality_loss(part, sigmoid_twice=self.config.sigmoid_twice)
        return loss + self.config.compact_weight * two_domain_compactness(source, target)

    def _training(self, n_source: int, n_shots: int) -> tuple[TrainingConfig, int]:
        """The release's optimiser for the common loop, and its steps per epoch."""
        options = self.config
        per_epoch = -(-min(n_source, n_shots) // options.domain_batch)
        steps = options.shot_epochs * per_epoch if options.steps is None else options.steps
        training = TrainingConfig(
            batch_norm="joint",
            epochs=-(-steps // per_epoch),
            max_steps=steps,
            learning_rate=options.msra_learning_rate,
            head_learning_rate_factor=1.0,
            momentum=options.sgd_momentum,
            weight_decay=options.msra_weight_decay,
            gradient_clip=UNBOUNDED_GRADIENT,
        )
        return training, per_epoch

    def _network(self, generator: torch.Generator | None = None) -> MsraNetwork:
        options = self.config
        return MsraNetwork(
            self.encoder, options.trains, options.bottleneck_dim, options.geometry, generator
        )

    def _score(self, images: EncodedImages) -> Array:
        features = forward_all(self.network_, images[self.config.split()])
        return in_blocks(lambda rows: np.linalg.norm(rows - self.center_, axis=1), features)

    def _state(self) -> dict[str, NDArray[Any]]:
        network = module_arrays(self.network_, "network.")
        if self.config.trains == "head":  # A frozen trunk is the encoder's own.
            network = {k: v for k, v in network.items() if not k.startswith(_TRUNK)}
        return {"center": self.center_} | network

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        self.center_ = state.pop("center")
        network = self._network()
        if self.config.trains == "head":
            own = module_arrays(network, "network.")
            state |= {k: v for k, v in own.items() if k.startswith(_TRUNK)}
        load_arrays(network, state, "network.")
        self.network_ = network.eval()
        if self.center_.shape != (network.dim,):
            raise ValueError(f"center has shape {self.center_.shape}")


def _center(parts: list[Array], sizes: tuple[int, int]) -> Array:
    """Mean over the images of both domains: an image counts once, however many views it has."""
    each = [
        part.reshape(n, -1, part.shape[1]).mean(axis=1)
        for n, part in zip(sizes, parts, strict=True)
    ]
    return np.asarray(np.concatenate(each).mean(axis=0))
