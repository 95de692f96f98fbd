"""Training in epochs that goes on where it was interrupted, to the same bits."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from pydantic import JsonValue
from torch import nn

from twofold.bundle import read_bundle, write_bundle
from twofold.errors import BundleError, CollapseError
from twofold.methods.arrays import load_arrays, module_arrays, under
from twofold.methods.base import FitData, Method

__all__ = ["Checkpoint", "epoch_seed", "identity", "run_epochs"]

_ENTRY = "training"
# Writing takes up to a second, and epochs over a few images much less.
SECONDS_BETWEEN_SAVES = 20.0


@dataclass(frozen=True)
class Checkpoint:
    """Networks and optimisers of one training, in a folder of JSON and safetensors (no pickle).

    Attributes:
        folder: holds the checkpoints of any number of trainings; None keeps nothing.
        identity: everything that decides the training's result (method, options, random state,
            digests of the images). Only the same training goes on from its checkpoint; another one
            has its own folder in ``folder``.
        modules: what trains, by name.
        optimisers: by name; each over parameters of the modules.
    """

    folder: Path | None
    identity: Mapping[str, JsonValue]
    modules: Mapping[str, nn.Module]
    optimisers: Mapping[str, torch.optim.Optimizer]

    @property
    def path(self) -> Path | None:
        """The folder of this training."""
        if self.folder is None:
            return None
        return self.folder / f"{self.identity['method']}-{self._digest[:16]}"

    @property
    def _digest(self) -> str:
        return hashlib.sha256(json.dumps(self.identity, sort_keys=True).encode()).hexdigest()

    def load(self) -> list[float]:
        """Put modules and optimisers where the last finished epoch left them.

        Returns:
            The mean loss of each finished epoch; empty if there is no checkpoint.

        Raises:
            BundleError: the checkpoint is damaged or not this training's; delete it.
        """
        path = self.path
        # A save that was killed while it replaced the folder leaves the previous one.
        if path is None or not any(
            place.exists() for place in (path, path.with_name(f".{path.name}.previous"))
        ):
            return []
        bundle = read_bundle(path)
        entry = bundle.header.get(_ENTRY)
        if not isinstance(entry, dict) or entry.get("identity") != self._digest:
            raise BundleError(f"{path}: holds no checkpoint of this training: delete it")
        try:
            self._restore(bundle.tensors)
        except (KeyError, ValueError, RuntimeError) as error:
            reason = " ".join(str(error).split())[:120]
            raise BundleError(
                f"{path}: does not fit this training ({reason}): delete it"
            ) from error
        losses = entry["losses"]
        assert isinstance(losses, list)
        return [float(loss) for loss in losses if isinstance(loss, int | float)]

    def save(self, losses: list[float]) -> None:
        """Replace the checkpoint; a process killed at any moment leaves the old or the new one.

        Raises:
            BundleError: the disk refuses.
        """
        if self.path is None:
            return
        entry: dict[str, JsonValue] = {"identity": self._digest, "losses": list(losses)}
        write_bundle(self.path, {_ENTRY: entry}, self._arrays())

    def _arrays(self) -> dict[str, NDArray[Any]]:
        arrays: dict[str, NDArray[Any]] = {}
        for name, module in self.modules.items():
            arrays |= module_arrays(module, f"module.{name}.")
        for name, optimiser in self.optimisers.items():
            for index, slots in optimiser.state_dict()["state"].items():
                for slot, value in slots.items():
                    key = f"optimiser.{name}.{index}.{slot}"
                    arrays[key] = value.detach().cpu().contiguous().numpy()
        return arrays

    def _restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        for name, module in self.modules.items():
            load_arrays(module, arrays, f"module.{name}.")
        for name, optimiser in self.optimisers.items():
            prefix = f"optimiser.{name}."
            state: dict[int, dict[str, torch.Tensor]] = {}
            for key, value in under(arrays, prefix).items():
                index, slot = key.split(".")
                state.setdefault(int(index), {})[slot] = torch.from_numpy(value)
            groups = optimiser.state_dict()["param_groups"]
            optimiser.load_state_dict({"state": state, "param_groups": groups})


def run_epochs(
    epochs: int, one_epoch: Callable[[int], float], checkpoint: Checkpoint
) -> tuple[float, ...]:
    """Run the epochs that are not done yet; save after one if the last save is 20 seconds old.

    The last epoch is always followed by a save.

    Args:
        epochs: number of them in all.
        one_epoch: given its number from 0, trains and returns the mean loss. It draws from
            generators seeded by that number (:func:`epoch_seed`), sets the learning rate by it,
            and leaves nothing behind but modules and optimisers: so a resumed run ends in the same
            bits.
        checkpoint: what is saved, and where.

    Returns:
        Mean loss of each epoch, those of an interrupted run included.

    Raises:
        CollapseError: the loss stopped being finite.
        BundleError: see :class:`Checkpoint`.
    """
    losses, saved = checkpoint.load(), time.monotonic()
    for epoch in range(len(losses), epochs):
        loss = one_epoch(epoch)
        if not np.isfinite(loss):
            raise CollapseError(
                f"the training loss became {loss} in epoch {epoch + 1}: lower the learning rate"
            )
        losses.append(loss)
        if epoch + 1 == epochs or time.monotonic() - saved >= SECONDS_BETWEEN_SAVES:
            checkpoint.save(losses)
            saved = time.monotonic()
    return tuple(losses)


def identity(
    method: Method, data: FitData, random_state: int, phase: str = "all"
) -> dict[str, JsonValue]:
    """What decides the result of a training on source and target shots.

    Args:
        method: whose options count, except for those that only say where it runs.
        data: of the fit.
        random_state: of the fit.
        phase: part of the training.
    """
    options = method.config.model_dump(mode="json", exclude={"checkpoint", "accelerator"})
    shots = () if data.target_shots is None else data.target_shots.digests
    return {
        "method": method.id,
        "phase": phase,
        "options": options,
        "encoder": method.encoder.fingerprint,
        "random_state": random_state,
        "source": list(data.source.digests),
        "shots": list(shots),
    }


def epoch_seed(random_state: int, epoch: int, stream: int = 0) -> int:
    """A seed for the draws of one epoch.

    Args:
        random_state: of the fit, >= 0.
        epoch: from 0.
        stream: tells several generators, or phases, of one fit apart.
    """
    sequence = np.random.SeedSequence([random_state, stream, epoch])
    return int(sequence.generate_state(1, dtype=np.uint32)[0])
