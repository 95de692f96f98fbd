"""How far a part of a network looks: the margin that a tile's result must be cropped by."""

from __future__ import annotations

from typing import TYPE_CHECKING

from twofold.deferred import deferred

if TYPE_CHECKING:
    import torch
    from torch import nn
else:
    torch = deferred("torch")

__all__ = ["reach"]

# Cells a side of the inputs that are tried, one after the other. The middle stages of the usual
# convolutional networks look 35 to 300 pixels far; what looks farther than half of the last is
# taken to see the whole image.
_TRIED = (64, 160, 416, 1056)


def reach(module: nn.Module, channels: int) -> int | None:
    """Cells beyond its own that an output cell depends on, in any direction.

    The support of the gradient of a middle cell, for noise.

    Args:
        module: takes (1, channels, h, w), gives one map.
        channels: of the input.

    Returns:
        None where it depends on all of the input: attention, or pooling over the image.
    """
    for side in _TRIED:
        found = _reach(module, channels, side)
        # At the border, padding ends what would have gone on.
        if found is not None and found < side // 2 - side // 8:
            return found
    return None


def _reach(module: nn.Module, channels: int, side: int) -> int | None:
    generator = torch.Generator().manual_seed(0)
    noise = torch.randn((1, channels, side, side), generator=generator).requires_grad_(True)
    with torch.enable_grad():
        result = module(noise)
        middle = int(result.shape[-1]) // 2
        # One over all channels would cancel in part.
        signs = torch.randn(result.shape[1], generator=generator)
        (gradient,) = torch.autograd.grad((result[0, :, middle, middle] * signs).sum(), noise)
    seen = torch.nonzero(gradient.abs().sum(dim=(0, 1)).amax(dim=0)).flatten()
    if not len(seen):
        return None
    jump = side // int(result.shape[-1])
    first, last = int(seen.min()), int(seen.max())
    return max(middle * jump - first, last - (middle + 1) * jump + 1, 0)
