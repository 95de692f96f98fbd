"""Gaussians and scales as PyTorch modules, in float32: the same numbers as part of a graph."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.densities.gaussian import Gaussian
from twofold.densities.scale import Scale

__all__ = ["LEAST", "SquaredDistances", "Standardise", "constant", "power_normalised", "unit"]

LEAST = 1e-37
"""What stands for 0 under a logarithm or a division: about the smallest normal float32."""


def constant(values: NDArray[np.generic]) -> Tensor:
    """Numbers of a model as a float32 tensor."""
    return torch.from_numpy(np.array(values, dtype=np.float32))


def unit(rows: Tensor) -> Tensor:
    """Rows (n, d) of length 1; a zero row stays zero. See :func:`twofold.densities.unit_rows`."""
    return rows / rows.square().sum(dim=1, keepdim=True).sqrt().clamp_min(LEAST)


def power_normalised(rows: Tensor) -> Tensor:
    """See :func:`twofold.densities.power_normalise`."""
    return unit(rows.sign() * rows.abs().sqrt())


class SquaredDistances(nn.Module):
    """Squared Mahalanobis distance of each row, (n, d) -> (n,).

    A Gaussian in the span of few rows is ``(|x|^2 - |W x|^2) / floor``, a difference of two numbers
    that may be close: in float32 it would lose digits. With ``W = U S V'`` it is the sum of what
    lies outside the span, ``|x - V V' x|^2``, and of ``(1 - s^2) (v' x)^2`` inside, which loses
    none.
    """

    def __init__(self, model: Gaussian) -> None:
        super().__init__()
        self._in_span = len(model.basis) < len(model.mean)
        basis, remaining = model.basis, np.empty(0)
        if self._in_span:
            _, lengths, basis = np.linalg.svd(model.basis, full_matrices=False)
            remaining = np.maximum(1.0 - np.square(lengths), 0.0) / model.floor
        self.register_buffer("mean", constant(model.mean))
        self.register_buffer("basis", constant(basis))
        self.register_buffer("remaining", constant(remaining))
        # Into the rows, so that the largest numbers are distances.
        self._outside = float(1.0 / np.sqrt(model.floor)) if self._in_span else 1.0

    mean: Tensor
    basis: Tensor
    remaining: Tensor

    def forward(self, rows: Tensor) -> Tensor:
        """See the class."""
        centred = rows - self.mean
        inside = centred @ self.basis.T
        if not self._in_span:
            return inside.square().sum(dim=1)
        outside = (centred - inside @ self.basis) * self._outside
        return outside.square().sum(dim=1) + (inside.square() * self.remaining).sum(dim=1)


class Standardise(nn.Module):
    """See :meth:`twofold.densities.Scale.standardise`; of any shape."""

    def __init__(self, scale: Scale) -> None:
        super().__init__()
        self._center, self._spread = scale.center, scale.spread

    def forward(self, scores: Tensor) -> Tensor:
        """See the class."""
        return (scores.clamp_min(LEAST).log() - self._center) / self._spread
