"""BiOST: one-shot translation of the source to the target's style, and a detector behind it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from torch import nn

from twofold.comparison.biost.head import OneClass, fit_head, head_from_state
from twofold.comparison.biost.networks import Domain, Translator
from twofold.comparison.biost.training import Recipe, Training, Views, load_side, random_view
from twofold.comparison.checkpoint import Checkpoint, identity
from twofold.comparison.pixels import (
    Accelerator,
    as_inputs,
    device_of,
    encode_made,
    portions,
    resized,
    run_network,
    small_images,
)
from twofold.densities import unit_rows
from twofold.encoders.encode import EncodedImages
from twofold.encoders.pixels import encode_pixels
from twofold.losses import LatentDistance
from twofold.methods.arrays import load_arrays, module_arrays, under
from twofold.methods.base import Diagnostics, FitData, Found, Method, MethodConfig, Progress
from twofold.training import forward_all, local_generator

__all__ = ["Biost", "BiostConfig", "translate", "untrained"]

Array = NDArray[np.float64]
Pixels = NDArray[np.uint8]


class BiostConfig(MethodConfig):
    """The release's settings, at a size a CPU can train; the detection is ours."""

    # How translation becomes detection is not stated; IRAD's code has a switch that suggests this.
    detection: Literal["translate", "map_back", "recon"] = "translate"
    one_class: OneClass = "center"  # The distance of eq. 5; the forest is IRAD's.
    views: int = Field(default=16, ge=1)  # Of the shot, among the head's normals.
    # 256 in the release: a hundred times the work.
    translation_side: Literal[32, 64, 128] = 64
    ngf: int = Field(default=32, ge=1)  # 64 in the release.
    residual_blocks: int = Field(default=4, ge=0)  # The release's; the article has 1 for digits.
    translation_epochs: int = Field(default=60, ge=1)  # The release's, of each phase.
    decay_epochs: int = Field(default=20, ge=0)  # The release's, of each phase, after those.
    epoch_images: int | None = Field(default=None, ge=1)  # Bounds the time of a large source.
    translation_rate: float = Field(default=2e-4, gt=0)  # The release's.
    energy_weight: float = Field(default=0.001, ge=0)  # The release's.
    latent_cycle_weight: float = Field(default=0.001, ge=0)  # The release's.
    latent_distance: LatentDistance = "squared"  # The release's; "absolute" is the article's.
    shot_augmentation: Views = "release"  # Its code flips; the article shifts.
    trees: int = Field(default=100, ge=1)  # Of the isolation forest.
    checkpoint: str | None = None  # Folder in which an interrupted training is kept.
    accelerator: Accelerator = "auto"

    def outputs(self) -> tuple[str, ...]:
        """Images; and features, where the score is read off the image as it is."""
        return ("pooled", "pixels") if self.detection == "translate" else ("pixels",)

    def shot_outputs(self) -> tuple[str, ...]:
        """The shot is augmented and translated before the encoder."""
        return ("pixels",)


class Biost(Method):
    """Cohen & Wolf's BiOST (ICCV 2019) as its code has it, made a detector; the first shot only.

    Domain A is ONE target image, B the source. Phase I trains B's autoencoder, phase II both, A
    starting from B; losses of A move A's networks alone and losses of B those of B ("selective
    backpropagation"). BiOST does not detect anything; that part is our choice:

    - ``translate``: all source normals in the style of the shot, D_A(E_B(s)), and views of the shot
      are the normals of a one-class head on the frozen encoder's L2-normalised features;
    - ``map_back``: an image is brought to the source, D_B(E_A(x)), where the head knows the source;
    - ``recon``: mean absolute error of D_A(E_A(x)), without a head.

    Further shots are ignored: the method is a one-shot one. A fit's diagnostics hold all networks,
    for looking at translations, and the mean losses of the epochs of either phase.
    """

    id = "biost"
    summary = "BiOST: source normals translated to the style of the first target shot"
    needs = frozenset({"target_shots"})
    Config = BiostConfig
    config: BiostConfig

    def _fit(self, data: FitData, random_state: int, progress: Progress | None) -> Found:
        assert data.target_shots is not None
        config = self.config
        shot = data.target_shots["pixels"][:1].astype(np.uint8)
        networks = untrained(config, random_state).to(device_of(config.accelerator))
        side = load_side(config.translation_side)
        training = Training(
            networks,
            resized(shot, side)[0],
            small_images(data.source, side),
            self._recipe(),
            random_state=random_state,
            progress=progress,
        )
        first, second = training.run(
            lambda phase, modules, optimisers: Checkpoint(
                folder=None if config.checkpoint is None else Path(config.checkpoint),
                identity=identity(self, data, random_state, phase),
                modules=modules,
                optimisers=optimisers,
            )
        )
        self.path_ = self._path(networks.a, networks.b)
        if config.detection != "recon":
            normals = self._normals(networks, data.source, shot[0], random_state)
            self.head_ = fit_head(normals, config.one_class, config.trees, random_state)
        return Found(Diagnostics(losses={"I": first, "II": second}, networks=networks))

    def _recipe(self) -> Recipe:
        config = self.config
        return Recipe(
            side=config.translation_side,
            epochs=config.translation_epochs,
            decay_epochs=config.decay_epochs,
            images=config.epoch_images,
            rate=config.translation_rate,
            energy=config.energy_weight,
            latent_cycle=config.latent_cycle_weight,
            latent_distance=config.latent_distance,
            views=config.shot_augmentation,
        )

    def _path(self, a: Domain, b: Domain) -> nn.Sequential | None:
        """The networks that scoring needs."""
        if self.config.detection == "translate":
            return None
        back = self.config.detection == "map_back"
        return nn.Sequential(a.encoder, b.decoder if back else a.decoder)

    def _normals(
        self, networks: Translator, source: EncodedImages, shot: Pixels, random_state: int
    ) -> NDArray[np.float32]:
        """Frozen features of what the head takes for normal."""
        pixels = source["pixels"]
        if self.config.detection == "map_back":
            return encode_made(
                self.encoder, len(source), lambda rows: pixels[rows].astype(np.uint8)
            )
        side = self.config.translation_side

        def translated(rows: slice) -> Pixels:
            return translate(networks, resized(pixels[rows], side))

        generator = np.random.default_rng([random_state, len(source)])
        large = resized(shot[None], load_side(len(shot)))[0]
        views = [
            random_view(large, len(shot), self.config.shot_augmentation, generator)
            for _ in range(self.config.views)
        ]
        seen = encode_pixels(self.encoder, np.stack(views), "pooled")
        # As many as translations, as IRAD resamples its shots: the shot is the only true target.
        again = np.resize(np.arange(len(seen)), max(len(seen), len(source)))
        return np.concatenate([encode_made(self.encoder, len(source), translated), seen[again]])

    def _score(self, images: EncodedImages) -> Array:
        if self.config.detection == "translate":
            return self.head_.scores(unit_rows(images["pooled"]))
        side = self.config.translation_side
        pixels = images["pixels"]
        assert self.path_ is not None
        if self.config.detection == "map_back":
            path = self.path_
            made = encode_made(
                self.encoder,
                len(images),
                lambda rows: run_network(path, resized(pixels[rows], side)),
            )
            return self.head_.scores(unit_rows(made))
        errors = []
        for rows in portions(len(images)):
            inputs = as_inputs(resized(pixels[rows], side))
            difference = np.abs(forward_all(self.path_, inputs) - inputs)
            errors.append(difference.reshape(len(inputs), -1).mean(axis=1))
        return np.concatenate(errors)

    def _state(self) -> dict[str, NDArray[Any]]:
        state: dict[str, NDArray[Any]] = {}
        if self.config.detection != "recon":
            state |= {f"head.{name}": array for name, array in self.head_.state().items()}
        if self.path_ is not None:
            state |= module_arrays(self.path_, "path.")
        return state

    def _restore(self, state: dict[str, NDArray[Any]]) -> None:
        config = self.config
        if config.detection != "recon":
            self.head_ = head_from_state(
                under(state, "head."),
                config.one_class,
                config.trees,
                self.encoder.spec.feature_dim,
            )
        self.path_ = self._path(*(Domain(config.ngf, config.residual_blocks) for _ in "ab"))
        if self.path_ is not None:
            load_arrays(self.path_.eval(), state, "path.")


def untrained(config: BiostConfig, random_state: int) -> Translator:
    """The networks as :meth:`Biost.fit` starts with them; A's are B's."""
    generator = local_generator(random_state)
    return Translator(config.ngf, config.residual_blocks, generator).eval()


def translate(
    translator: Translator,
    pixels: Pixels,
    source: Literal["a", "b"] = "b",
    target: Literal["a", "b"] = "a",
) -> Pixels:
    """Images of one domain in the style of another.

    Args:
        translator: before, while or after it is trained; left as it is.
        pixels: uint8 (n, s, s, 3), n >= 1, s a multiple of 4: the ``translation_side`` of the fit.
        source: domain the images are of; b is the source, a the shot's.
        target: domain they are brought to; the same one rebuilds them.

    Returns:
        uint8 (n, s, s, 3).
    """
    return run_network(translator.path(source, target), pixels)
