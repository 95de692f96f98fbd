"""IRAD: latent features shared by source and a few target normals, and an isolation forest."""

from __future__ import annotations

import copy
import math
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from twofold.comparison.checkpoint import Checkpoint, identity
from twofold.comparison.forest import Forest, grow
from twofold.comparison.irad.networks import (
    Networks,
    feature_networks,
    pixel_encoder,
    pixel_networks,
)
from twofold.comparison.irad.training import Form, Game, Schedule, Terms, train
from twofold.comparison.pixels import (
    Accelerator,
    as_inputs,
    as_pixels,
    device_of,
    portions,
    small_images,
)
from twofold.encoders.encode import EncodedImages
from twofold.errors import CollapseError
from twofold.layers import linear
from twofold.losses import GanLoss
from twofold.methods.arrays import load_arrays, module_arrays, under
from twofold.methods.base import Diagnostics, FitData, Found, Method, MethodConfig, Progress
from twofold.training import check_collapse, forward_all, local_generator

__all__ = ["Irad", "IradConfig", "reconstruct"]

Array = NDArray[np.float64]
Floats = NDArray[np.float32]
Pixels = NDArray[np.uint8]


class IradConfig(MethodConfig):
    """The release's settings where it has any; those of Office images are not public."""

    # Networks for Office images are missing from the release; on frozen features a CPU can train.
    space: Literal["feature", "pixel"] = "feature"
    form: Form = "release"  # The code zeroes l_dis and l_sim and adds a latent discriminator.
    adversarial_loss: GanLoss = "bce"  # The release's; "lsgan" is its option.
    latent_dim: int = Field(default=64, ge=1)  # Of the README (32 in its argument parser).
    cycle_weight: float = Field(default=1.0, ge=0)  # alpha, the same in article and release.
    latent_weight: float = Field(default=0.5, ge=0)  # beta; of the published form alone.
    adversarial_epochs: int = Field(default=15, ge=1)  # The README's: over-training hurts.
    # 15 epochs of some 6000 digits are 1900 steps; of 60 images they would be 15 steps, in which
    # nothing is learnt. So short training goes on to this many steps.
    least_steps: int = Field(default=500, ge=0)
    adversarial_batch: int = Field(default=48, ge=2)  # Two at least, for normalisation layers.
    adversarial_rate: float = Field(default=1e-4, gt=0)  # The README's (1e-5 in the parser).
    generator_width: int = Field(default=512, ge=1)  # Of the hidden layer in feature space; ours.
    pixel_side: Literal[32, 64] = 32  # The release's digits.
    ngf: int = Field(default=32, ge=1)  # Channels of the first layer in pixel space.
    trees: int = Field(default=100, ge=1)  # Of the isolation forest.
    checkpoint: str | None = None  # Folder in which an interrupted training is kept.
    accelerator: Accelerator = "auto"

    def outputs(self) -> tuple[str, ...]:
        """Pooled features, or the images themselves."""
        return ("pooled",) if self.space == "feature" else ("pixels",)


class Irad(Method):
    """IRAD (arXiv 2006.03689) with its official code's losses, few-shot.

    A shared encoder E_sh and a private one of the source, E_pv, whose latents are added; a
    generator G of source images and discriminators of images (D) and of shared latents (D_z). The
    shots are resampled with replacement to the number of source images. The score is that of an
    isolation forest on E_sh of both.

    The losses and who minimises them are those of the official code (``form="release"``), in which
    l_dis and l_sim are overwritten with zero; ``published`` follows the article as a third party's
    note gives it (not verified against the article): l_dis and l_sim in place of D_z. The target-
    private encoder, which the release never optimises, is left out. Networks for anything but
    digits, the number of steps for small sources and everything about features are our choices.

    A fit's diagnostics hold all five networks, for looking at reconstructions, and the mean loss of
    encoders and generator in each epoch.
    """

    id = "irad"
    summary = "IRAD: shared latents of source and a few target normals, isolation forest"
    needs = frozenset({"target_shots"})
    Config = IradConfig
    config: IradConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        assert data.target_shots is not None
        source, target = self._rows(data.source), self._rows(data.target_shots)
        generator, drops = local_generator(random_state), local_generator(random_state)
        again = torch.randint(len(target), (len(source),), generator=generator)
        target = target[again.numpy()]
        self._scale = _scaling(source, target) if self.config.space == "feature" else {}
        source, target = self._scaled(source), self._scaled(target)
        networks = self._networks(generator, drops)
        before = forward_all(networks.shared.eval(), source)
        losses = self._train(networks, (source, target), data, random_state, drops, progress)
        self.shared_ = networks.shared
        latents = forward_all(self.shared_, np.concatenate([source, target]))
        check_collapse(before, latents[: len(source)])
        self.forest_ = grow(latents, self.config.trees, random_state)
        return Found(Diagnostics(losses={"training": losses}, networks=networks))

    def _networks(self, generator: torch.Generator, drops: torch.Generator) -> Networks:
        config = self.config
        if config.space == "feature":
            dim = self.encoder.spec.feature_dim
            width = config.generator_width
            return feature_networks(dim, config.latent_dim, width, generator, drops)
        side = config.pixel_side
        return pixel_networks(side, config.latent_dim, config.ngf, generator, drops)

    def _train(
        self,
        networks: Networks,
        rows: tuple[Floats, Floats],
        data: FitData,
        random_state: int,
        drops: torch.Generator,
        progress: Progress | None,
    ) -> tuple[float, ...]:
        config = self.config
        for network in networks.named().values():
            network.to(device_of(config.accelerator))
        terms = Terms(
            config.form, config.adversarial_loss, config.cycle_weight, config.latent_weight
        )
        game = Game(networks, terms, config.adversarial_rate)
        per_epoch = len(rows[0]) // min(config.adversarial_batch, len(rows[0]))
        epochs = max(config.adversarial_epochs, math.ceil(config.least_steps / per_epoch))
        return train(
            game,
            rows,
            Schedule(epochs, config.adversarial_batch),
            self._checkpoint(game, data, random_state),
            random_state=random_state,
            drops=drops,
            latent=config.latent_dim,
            progress=progress,
        )

    def _rows(self, images: EncodedImages) -> Floats:
        """What enters the networks, before scaling: (n, d) features or (n, 3, s, s) images."""
        if self.config.space == "feature":
            return np.asarray(images["pooled"], dtype=np.float32)
        return as_inputs(small_images(images, self.config.pixel_side))

    def _scaled(self, rows: Floats) -> Floats:
        if not self._scale:
            return rows
        return (rows - self._scale["mean"]) / self._scale["std"]

    def _checkpoint(self, game: Game, data: FitData, random_state: int) -> Checkpoint:
        folder = self.config.checkpoint
        return Checkpoint(
            folder=None if folder is None else Path(folder),
            identity=identity(self, data, random_state),
            modules=game.networks.named(),
            optimisers=game.optimisers,
        )

    def _score(self, images: EncodedImages) -> Array:
        parts = [
            self.forest_.scores(
                forward_all(self.shared_, self._scaled(self._rows_at(images, rows)))
            )
            for rows in portions(len(images))
        ]
        return np.concatenate(parts)

    def _rows_at(self, images: EncodedImages, rows: slice) -> Floats:
        return self._rows(images.subset(np.arange(rows.start, rows.stop)))

    def _state(self) -> dict[str, NDArray[Any]]:
        weights = module_arrays(self.shared_, "shared.")
        forest = {f"forest.{name}": array for name, array in self.forest_.state().items()}
        return weights | forest | {f"scale.{name}": array for name, array in self._scale.items()}

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        config, dim = self.config, self.encoder.spec.feature_dim
        self._scale = {}
        if config.space == "feature":
            self._scale = {name: state[f"scale.{name}"] for name in ("mean", "std")}
            if any(array.shape != (dim,) for array in self._scale.values()):
                raise ValueError(f"scale is not of {dim} dimensions")
        network: nn.Module = (
            linear(dim, config.latent_dim)
            if config.space == "feature"
            else pixel_encoder(config.pixel_side, config.latent_dim, config.ngf)
        )
        load_arrays(network, state, "shared.")
        self.shared_ = network.eval()
        self.forest_ = Forest.from_state(under(state, "forest."), config.trees, config.latent_dim)


def reconstruct(networks: Networks, source: Pixels, target: Pixels) -> tuple[Pixels, Pixels]:
    """The generated images x1 and x2 of IRAD in pixel space, as its training sees them.

    Normalised by this batch, so an image depends on the others: the generator's running statistics
    are those of images from latents and from noise together, and fit neither.

    Args:
        networks: of a fitted :class:`Irad` with ``space="pixel"``; left as they are.
        source: uint8 (n, s, s, 3), n >= 2, s the fit's ``pixel_side``.
        target: uint8 (n, s, s, 3), as many.

    Returns:
        Of source image i, rebuilt from its own private and shared latents; and from its private and
        target image i's shared latents, which is to be the same image. Both like ``source``.
    """
    copied = copy.deepcopy((networks.private, networks.shared, networks.generator))
    private, shared, generator = (network.train() for network in copied)
    domains = [torch.from_numpy(as_inputs(images)) for images in (source, target)]
    with torch.no_grad():
        own = private(domains[0])
        made = [generator(own + shared(images)) for images in domains]
    return as_pixels(made[0].numpy()), as_pixels(made[1].numpy())


def _scaling(source: Floats, target: Floats) -> dict[str, Floats]:
    """Mean and spread of each feature over both domains, which weigh the same."""
    both = np.concatenate([source, target]).astype(np.float64)
    spread = both.std(axis=0)
    # A dead unit stays where it is instead of being divided by nothing.
    dead = spread <= 1e-6 * max(float(spread.max()), 1e-300)
    if dead.all():
        raise CollapseError("all source images and shots have the same features")
    return {
        "mean": both.mean(axis=0).astype(np.float32),
        "std": np.where(dead, 1.0, spread).astype(np.float32),
    }
