"""How much a benchmark spends: which encoder, what trains, how long, how often."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from twofold.errors import ConfigError

__all__ = ["PRESETS", "Preset", "load_preset"]


@dataclass(frozen=True)
class Preset:
    """Defaults of a benchmark; each can be set otherwise on the command line.

    Attributes:
        id: public name.
        summary: one line for people.
        encoder: its id.
        image_size: side of the encoder's square input in pixels; None keeps the encoder's own.
        runs: random states 0 to ``runs - 1``.
        options: of the methods that have them, nested as their configuration is.
    """

    id: str
    summary: str
    encoder: str
    image_size: int | None
    runs: int
    options: Mapping[str, Any] = field(default_factory=dict)


_SMOKE = Preset(
    id="smoke",
    summary="minutes: the path of `gpu` (everything trains) with hardly any steps",
    encoder="efficientnet_lite0",
    image_size=64,
    runs=1,
    # Figures under it mean nothing; it proves that a cell runs.
    options={
        "training": {"trainable": "all", "max_steps": 2, "batch_source": 8},
        "batch_dominant": 8,
        "batch_others": 4,
        "views": 2,
        "trains": "last_stage",
        "steps": 2,
        "iterations": 2,
        "pseudo_limit": 8,
        "least_steps": 2,
        "adversarial_epochs": 1,
        "latent_max_steps": 2,
        "student_max_steps": 2,
        "translation_side": 32,
        "ngf": 4,
        "residual_blocks": 1,
        "translation_epochs": 1,
        "decay_epochs": 0,
        "epoch_images": 2,
    },
)
# What the comparison systems spend: those that train the encoder's end do so within 80 steps.
# Networks that start from nothing, on images of 64 pixels, take 300 steps in each of two phases,
# about a minute (80 epochs of 256 pixels, as released, are a day).
_COMPARISON = {
    "trains": "last_stage",
    "steps": 80,
    "iterations": 80,
    "least_steps": 80,
    "student_max_steps": 80,
    "ngf": 16,
    "epoch_images": 20,
    "translation_epochs": 10,
    "decay_epochs": 5,
}
_CPU = Preset(
    id="cpu",
    summary="two cores: a linear layer on frozen vectors that all cells share, 200 steps",
    encoder="efficientnet_lite0",
    # 160 pixels halve the work of 224 in every layer and keep a 5 x 5 map at the last stage.
    image_size=160,
    runs=1,
    options={"training": {"max_steps": 200}, **_COMPARISON},
)
_AS_PRINTED = Preset(
    id="as_printed",
    summary="two cores: the paper's system to the letter, the last stage trains, 80 steps",
    encoder="efficientnet_lite0",
    image_size=160,
    runs=1,
    # 80 steps of 32 + 32 + 16 images are what two cores without AVX-512 do in the 20 to 30 seconds
    # a cell may take, and at least as many passes (5 to 14) over PACS's 182 to 432 source normals.
    options={"recipe": "as_printed", "training": {"max_steps": 80}, **_COMPARISON},
)
_THOROUGH = Preset(
    id="thorough",
    summary="an evening on two cores: the last stage trains on shared activations, 400 steps",
    encoder="efficientnet_lite0",
    image_size=224,
    runs=3,
    options={
        "training": {"trainable": "last_stage", "max_steps": 400},
        **_COMPARISON,
        "steps": 400,
        "iterations": 400,
        "least_steps": 400,
        "student_max_steps": 400,
    },
)
_GPU = Preset(
    id="gpu",
    summary="a GPU, as in the paper: ResNet-50 trained whole for 20 epochs, CLIP selects, ten runs",
    encoder="resnet50",
    image_size=None,
    runs=10,
    options={"training": {"trainable": "all", "epochs": 20}, "psi": "clip_vit_b32"},
)
# The name that `gpu` had first.
_ALIASES: Mapping[str, str] = {"paper": "gpu"}

_ALL = (_SMOKE, _CPU, _AS_PRINTED, _THOROUGH, _GPU)
PRESETS: Mapping[str, Preset] = {preset.id: preset for preset in _ALL}
"""Every preset by its id."""


def load_preset(name: str) -> Preset:
    """The preset called ``name``; ``paper`` is an older name of ``gpu``.

    Raises:
        ConfigError: no such preset; the message lists those there are.
    """
    known = _ALIASES.get(name, name)
    if known not in PRESETS:
        raise ConfigError(f"unknown preset {name!r}: choose one of {', '.join(PRESETS)}")
    return PRESETS[known]
