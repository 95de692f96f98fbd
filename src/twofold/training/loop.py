"""The optimisation loop, on Lightning Fabric: devices, precision, clipping, monitoring."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import torch
from lightning_fabric import Fabric
from pydantic import BaseModel, ConfigDict, Field
from torch import Tensor, nn

from twofold.encoders.backbone import Suffix, freeze_batch_norm
from twofold.encoders.spec import Trainable
from twofold.errors import CollapseError
from twofold.training.processes import Spread, make_fabric

__all__ = [
    "UNBOUNDED_GRADIENT",
    "Step",
    "StepLoss",
    "TrainingConfig",
    "TrainingLog",
    "local_generator",
    "make_sgd",
    "optimise",
]


@dataclass(frozen=True)
class Step:
    """Where in the training a step is.

    Attributes:
        index: from 0.
        total: number of steps in all.
        starts_epoch: whether it is the first of an epoch.
    """

    index: int
    total: int
    starts_epoch: bool

    @property
    def progress(self) -> float:
        """Share of the training that is over, in [0, 1)."""
        return self.index / self.total


StepLoss = Callable[[nn.Module, Step], Tensor]
"""Draws a batch, runs the module, returns the scalar loss."""

UNBOUNDED_GRADIENT = 1e9
"""A ``gradient_clip`` for systems whose release has none: it acts on nothing but gradients whose
length leaves the range of floats, which it sets to zero, so that one such step ends no training."""


class TrainingConfig(BaseModel):
    """How a network is trained. The source leaves these open; each default says why.

    The batch, optimiser and schedule are those most used by the released code of neighbouring
    systems (docs/methods.md has the reason of each).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    trainable: Trainable = "last_stage"  # Early layers frozen: the standard guard of Deep SVDD
    # with pretrained networks against collapse (PANDA), and what a CPU can train.
    # "linear" is bias-free and starts as the identity; "projection" is Linear + BN + ReLU, random.
    head: Literal["none", "linear", "projection"] = "none"
    head_dim: int = Field(default=256, ge=1)  # Width of a projection.
    # "frozen" keeps the pretrained statistics: live ones of batches from two domains are a hidden
    # adaptation ("joint"; "separate" also normalises each domain by itself).
    batch_norm: Literal["frozen", "joint", "separate"] = "frozen"
    epochs: int = Field(default=20, ge=1)
    min_steps: int = Field(default=0, ge=0)  # More epochs, where a small source has short ones.
    max_steps: int | None = Field(default=None, ge=1)  # Bounds the time of a large source.
    batch_source: int = Field(default=32, ge=1)
    learning_rate: float = Field(default=1e-3, gt=0)
    head_learning_rate_factor: float = Field(default=10.0, gt=0)  # New layers learn faster.
    momentum: float = Field(default=0.9, ge=0, lt=1)
    weight_decay: float = Field(default=5e-4, ge=0)
    gradient_clip: float = Field(default=1.0, gt=0)
    precision: Literal["32-true", "16-mixed", "bf16-mixed"] = "32-true"
    accelerator: Literal["auto", "cpu", "cuda", "mps"] = "auto"

    @property
    def has_head(self) -> bool:
        """Whether a new head ends the network (always, when only a head trains)."""
        return self.head != "none" or self.trainable == "head"


@dataclass(frozen=True)
class TrainingLog:
    """What happened.

    Attributes:
        losses: mean loss of each epoch.
        steps: optimiser steps taken.
    """

    losses: tuple[float, ...]
    steps: int


def local_generator(random_state: int) -> torch.Generator:
    """A CPU generator of its own; torch's global one is never touched."""
    generator = torch.Generator()
    generator.manual_seed(random_state)
    return generator


def optimise(
    module: nn.Module,
    step_loss: StepLoss,
    config: TrainingConfig,
    *,
    steps_per_epoch: int,
    progress: Callable[[int, int], None] | None = None,
    make_optimiser: Callable[[nn.Module], torch.optim.Optimizer] | None = None,
    rate: Callable[[Step], float] | None = None,
    after_epoch: Callable[[], None] | None = None,
) -> TrainingLog:
    """Minimise ``step_loss`` with SGD (Nesterov) and gradient clipping, in place.

    In several processes (:mod:`twofold.training.processes`) each runs a part of every batch; all of
    them end with the weights that one process would have, but for rounding.

    The last step's weights are kept, there is no selection. Normalisation layers follow
    ``config.batch_norm``; those of an ``alignment`` part, which is new, always learn.

    Args:
        module: on the CPU; it is there again afterwards. What is not part of the encoder (a
            :class:`twofold.encoders.backbone.Suffix`) is new and learns
            ``head_learning_rate_factor`` times faster.
        step_loss: called once per step with the (wrapped) module.
        config: see :class:`TrainingConfig`.
        steps_per_epoch: so that one epoch sees each source image about once.
        progress: called with (steps done, steps in all).
        make_optimiser: given the module, makes another optimiser in place of SGD; the optimiser's
            options in ``config`` then have no effect, those of the loop (clipping) keep theirs.
        rate: factor of every parameter group's own learning rate at a step; None leaves them.
        after_epoch: called after each epoch, with the module in evaluation mode; it may look at the
            module and must not change it.

    Raises:
        CollapseError: the loss stopped being finite.
        ConfigError: normalisation follows batches, and there are several processes.
    """
    total = max(config.epochs * steps_per_epoch, config.min_steps)
    if config.max_steps is not None:
        total = min(total, config.max_steps)
    # Fabric announces devices and advises on loaders that this loop does not have.
    logging.getLogger("lightning_fabric").setLevel(logging.ERROR)
    fabric = make_fabric(config.accelerator, config.precision)
    _to_training(module, config)
    made = make_sgd(module, config) if make_optimiser is None else make_optimiser(module)
    prepared, optimiser = fabric.setup(module, made)
    wrapped = prepared if fabric.world_size == 1 else Spread(prepared, fabric)
    base_rates = [float(group["lr"]) for group in optimiser.param_groups]
    losses: list[float] = []
    for index in range(total):
        step = Step(index, total, index % steps_per_epoch == 0)
        if rate is not None:
            for group, base in zip(optimiser.param_groups, base_rates, strict=True):
                group["lr"] = base * rate(step)
        losses.append(_descend(fabric, wrapped, optimiser, step_loss, step, config.gradient_clip))
        if progress is not None:
            progress(index + 1, total)
        if after_epoch is not None and ((index + 1) % steps_per_epoch == 0 or index + 1 == total):
            module.eval()
            after_epoch()
            _to_training(module, config)
    module.eval().cpu()
    epochs = [losses[i : i + steps_per_epoch] for i in range(0, total, steps_per_epoch)]
    return TrainingLog(tuple(float(np.mean(epoch)) for epoch in epochs), total)


def _descend(
    fabric: Fabric,
    module: nn.Module,
    optimiser: Any,
    step_loss: StepLoss,
    step: Step,
    gradient_clip: float,
) -> float:
    """One step of the optimiser; the loss before it.

    Raises:
        CollapseError: the loss is not finite.
    """
    optimiser.zero_grad(set_to_none=True)
    loss = step_loss(module, step)
    value = float(loss.detach())
    if not np.isfinite(value):
        raise CollapseError(
            f"the training loss became {value} at step {step.index + 1}: lower learning_rate"
        )
    fabric.backward(loss)
    # Gradients that are not finite show in the next loss, which is named.
    fabric.clip_gradients(module, optimiser, max_norm=gradient_clip, error_if_nonfinite=False)
    optimiser.step()
    return value


def _to_training(module: nn.Module, config: TrainingConfig) -> None:
    module.train()
    if config.batch_norm == "frozen":
        for name, part in module.named_children():
            if name != "alignment":
                freeze_batch_norm(part)


def make_sgd(module: nn.Module, config: TrainingConfig) -> torch.optim.Optimizer:
    """SGD with Nesterov momentum; what is not part of an encoder learns faster.

    Args:
        module: its parts of the kind :class:`twofold.encoders.backbone.Suffix` are the encoder's.
        config: rates, momentum and weight decay.
    """
    groups: dict[bool, list[nn.Parameter]] = {False: [], True: []}
    pretrained = {
        id(parameter)
        for part in module.modules()
        if isinstance(part, Suffix)
        for parameter in part.parameters()
    }
    for parameter in module.parameters():
        groups[id(parameter) not in pretrained].append(parameter)
    rates = {False: 1.0, True: config.head_learning_rate_factor}
    return torch.optim.SGD(
        [
            {"params": parameters, "lr": config.learning_rate * rates[is_new]}
            for is_new, parameters in groups.items()
            if parameters
        ],
        lr=config.learning_rate,
        momentum=config.momentum,
        weight_decay=config.weight_decay,
        nesterov=config.momentum > 0,
        fused=True,  # One pass over the parameters instead of five.
    )
