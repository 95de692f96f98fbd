"""Training in several processes: each runs a part of every batch, and all see all its features.

A loss that compares images with each other, such as eq. 8, needs the whole batch. So every process
draws the same batch, runs its part of it through the network, and gathers the features of the
others (as SimCLR does; Chen et al. 2020, section 2.3). The loss is then the same everywhere, and so
is the mean of the gradients: what one process would have, but for rounding.

Processes are started by ``torchrun``, by `twofold fit --devices N`, or by whatever else sets its
environment variables; each runs the whole program.
"""

from __future__ import annotations

import os
from typing import Any, Literal

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from twofold.errors import ConfigError
from twofold.launched import n_processes

__all__ = ["Spread", "make_fabric"]

Precision = Literal["32-true", "16-mixed", "bf16-mixed"]


def make_fabric(accelerator: str, precision: Precision) -> Fabric:
    """For this process, or for it and those that were started with it.

    Args:
        accelerator: see :class:`twofold.training.TrainingConfig`. On CPUs processes talk by gloo,
            on GPUs by NCCL.
        precision: likewise.
    """
    if n_processes() == 1:
        return Fabric(accelerator=accelerator, devices=1, precision=precision)
    fabric = Fabric(
        accelerator=accelerator,
        devices=int(os.environ["LOCAL_WORLD_SIZE"]),
        num_nodes=int(os.environ.get("GROUP_WORLD_SIZE", "1")),
        strategy="ddp",
        precision=precision,
    )
    fabric.launch()
    return fabric


class Spread(nn.Module):
    """A module that runs this process's part of a batch, and gives the features of all of it.

    Args:
        module: as Fabric has set it up, in training mode.
        fabric: that did.

    Raises:
        ConfigError: a normalisation of its network follows the batch, of which each process sees a
            part only.
    """

    def __init__(self, module: nn.Module, fabric: Fabric) -> None:
        super().__init__()
        live = [
            name
            for name, part in module.named_modules()
            if isinstance(part, _BatchNorm) and part.training and "alignment" not in name
        ]
        if live:
            raise ConfigError(
                "normalisation that follows batches (batch_norm, or the method's own network) "
                "needs one process: leave out --devices, or set batch_norm to frozen"
            )
        self.module, self._fabric = module, fabric

    def __getattr__(self, name: str) -> Any:
        """Everything else is the module's."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(self.module, name)

    def forward(self, *batch: Tensor) -> Any:
        """Features of the whole batch.

        Args:
            batch: tensors of the same number of rows, the same in every process. Of different
                numbers, every process runs all rows.
        """
        if len({len(part) for part in batch}) != 1:
            return self.module(*batch)
        n, world = len(batch[0]), self._fabric.world_size
        size = -(-n // world)
        # The last processes may have less than the others: they run the last row again, and what
        # comes of it is left out below.
        first = self._fabric.global_rank * size
        rows = torch.arange(first, first + size, device=batch[0].device).clamp(max=n - 1)
        return self._whole(self.module(*(part[rows] for part in batch)), n)

    def _whole(self, found: Any, n: int) -> Any:
        """The parts of all processes, in the order of the batch."""
        if isinstance(found, Tensor):
            parts: Any = self._fabric.all_gather(found, sync_grads=True)
            return parts.flatten(0, 1)[:n]
        return type(found)(self._whole(part, n) for part in found)
