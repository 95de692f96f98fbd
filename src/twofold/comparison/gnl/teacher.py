"""GNL's teacher: the frozen encoder's stage maps, also under test-time feature matching."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from twofold.encoders.encoder import Encoder
from twofold.errors import ConfigError
from twofold.losses import match_distribution

__all__ = ["Teacher", "grey"]

# The release's layers 1 to 3.
_LEVELS = 3
# ITU-R BT.601, as in the usual conversion to grey.
_LUMA = (0.2989, 0.587, 0.114)


class Teacher:
    """Stage maps of images at consecutive strides, the finest first.

    It runs in PyTorch rather than the fast engine: a matched map has to go on through the rest of
    the network, and training and test maps should come from one arithmetic.

    Args:
        encoder: frozen; its segments are used as they are.
        strides: of the levels, each twice the one before; None takes the encoder's finest, three
            or as many as there are.

    Raises:
        ConfigError: the encoder has no such maps, or fewer than two.
    """

    def __init__(self, encoder: Encoder, strides: Sequence[int] | None = None) -> None:
        backbone = encoder.network.backbone
        known = sorted(backbone.taps)
        self.strides = tuple(known[:_LEVELS] if strides is None else strides)
        doubling = all(b == 2 * a for a, b in pairwise(self.strides))
        if len(self.strides) < 2 or not doubling or not set(self.strides) <= set(known):
            raise ConfigError(
                f"gnl needs two or more stage maps, each stride twice the one before, not "
                f"{self.strides}: {encoder.spec.id} has the strides {', '.join(map(str, known))}"
            )
        before = (None, *self.strides[:-1])
        self._parts = [backbone.between(a, b) for a, b in zip(before, self.strides, strict=True)]
        preprocessing = encoder.spec.preprocessing
        self._mean = np.array(preprocessing.mean, dtype=np.float32)
        self._std = np.array(preprocessing.std, dtype=np.float32)

    def inputs(self, pixels: NDArray[np.uint8]) -> Tensor:
        """(n, s, s, 3) pixels -> (n, 3, s, s) as the encoder's weights expect them."""
        normalised = (pixels.astype(np.float32) - self._mean) / self._std
        # Channels last in memory, which is also the faster layout on a CPU.
        return torch.from_numpy(normalised).permute(0, 3, 1, 2)

    def maps(self, inputs: Tensor) -> tuple[Tensor, ...]:
        """One (n, c_l, h_l, w_l) per level."""
        return self._run(inputs, None, 1.0)

    def matched(
        self, inputs: Tensor, reference: Sequence[Tensor], keep: float
    ) -> tuple[Tensor, ...]:
        """The maps after matching behind the first and second level, but not behind the last.

        A matched map goes on through the network, so that later levels follow from it.

        Args:
            inputs: see :meth:`inputs`.
            reference: the unmatched maps of the one reference image, (c_l, h_l, w_l) each.
            keep: lambda, see :func:`twofold.losses.match_distribution`.
        """
        return self._run(inputs, reference, keep)

    @torch.no_grad()
    def _run(
        self, inputs: Tensor, reference: Sequence[Tensor] | None, keep: float
    ) -> tuple[Tensor, ...]:
        maps: list[Tensor] = []
        for level, part in enumerate(self._parts):
            inputs = part(inputs)
            if reference is not None and level < min(2, len(self._parts) - 1):
                inputs = match_distribution(inputs, reference[level], keep)
            maps.append(inputs)
        return tuple(maps)


def grey(inputs: Tensor) -> Tensor:
    """Normalised images without colour: their luma in all three channels, (n, 3, h, w)."""
    weights = torch.tensor(_LUMA, dtype=inputs.dtype)[None, :, None, None]
    return (inputs * weights).sum(dim=1, keepdim=True).expand(-1, 3, -1, -1)
