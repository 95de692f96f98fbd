"""Layers whose random numbers come from a generator of the fit, never from torch's global one."""

from __future__ import annotations

import math
from typing import Literal, TypeVar

import torch
from torch import Tensor, nn

__all__ = ["Dropout", "conv", "conv_transpose", "linear"]


def linear(
    inputs: int, outputs: int, generator: torch.Generator | None = None, *, bias: bool = True
) -> nn.Linear:
    """``nn.Linear`` as it initialises itself, from a generator of one's own.

    Args:
        inputs: width before it.
        outputs: width behind it.
        generator: of the CPU; None leaves zeros, for weights that are loaded afterwards.
        bias: whether it has one.
    """
    layer = nn.Linear(inputs, outputs, bias=bias, device="meta").to_empty(device="cpu")
    bound = 1 / math.sqrt(inputs)
    _fill(layer.weight, generator, bound, "uniform")
    if bias:
        _fill(layer.bias, generator, bound, "uniform")
    return layer


def conv(
    inputs: int,
    outputs: int,
    kernel: int,
    generator: torch.Generator | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    bias: bool = True,
    std: float = 0.02,
) -> nn.Conv2d:
    """A convolution with weights N(0, ``std``), as GANs have it (Radford et al. 2016).

    A bias starts at 0. See :func:`linear` for the generator.
    """
    layer = nn.Conv2d(
        inputs, outputs, kernel, stride=stride, padding=padding, bias=bias, device="meta"
    ).to_empty(device="cpu")
    return _normal(layer, generator, std)


def conv_transpose(
    inputs: int,
    outputs: int,
    kernel: int,
    generator: torch.Generator | None = None,
    *,
    stride: int = 1,
    padding: int = 0,
    output_padding: int = 0,
    bias: bool = True,
    std: float = 0.02,
) -> nn.ConvTranspose2d:
    """The transposed counterpart of :func:`conv`."""
    layer = nn.ConvTranspose2d(
        inputs,
        outputs,
        kernel,
        stride=stride,
        padding=padding,
        output_padding=output_padding,
        bias=bias,
        device="meta",
    ).to_empty(device="cpu")
    return _normal(layer, generator, std)


class Dropout(nn.Module):
    """``nn.Dropout`` with a generator of its own; nothing is dropped in evaluation mode.

    Args:
        share: of the values set to zero; the others are scaled up to keep the mean.
        generator: of the CPU; drawn from in training mode at each pass.
    """

    def __init__(self, share: float, generator: torch.Generator) -> None:
        super().__init__()
        self.share, self._generator = share, generator

    def forward(self, values: Tensor) -> Tensor:
        """Values of any shape -> the same shape."""
        if not self.training or not self.share:
            return values
        kept = torch.rand(values.shape, generator=self._generator) >= self.share
        return values * kept.to(values) / (1 - self.share)


_Layer = TypeVar("_Layer", nn.Conv2d, nn.ConvTranspose2d)


def _normal(layer: _Layer, generator: torch.Generator | None, std: float) -> _Layer:
    _fill(layer.weight, generator, std, "normal")
    if layer.bias is not None:
        _fill(layer.bias, None, 0.0, "normal")
    return layer


def _fill(
    parameter: Tensor,
    generator: torch.Generator | None,
    scale: float,
    kind: Literal["uniform", "normal"],
) -> None:
    if generator is None:
        nn.init.zeros_(parameter)
    elif kind == "uniform":
        # PyTorch's kaiming_uniform_ with a = sqrt(5) has this very bound.
        nn.init.uniform_(parameter, -scale, scale, generator=generator)
    else:
        nn.init.normal_(parameter, 0.0, scale, generator=generator)
