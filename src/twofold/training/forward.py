"""Features of many rows, and whether training has kept any of what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from twofold.errors import CollapseError

__all__ = ["as_batch", "check_collapse", "forward_all"]

# Images per forward pass without gradients; activations of the last stage take a few MB.
_FORWARD_BATCH = 64


def forward_all(module: nn.Module, activations: NDArray[np.float32]) -> NDArray[np.float64]:
    """Features of every row without gradients, in fixed-size batches.

    A fixed batch shape (the last one padded) keeps a row's bits independent of its neighbours.

    Args:
        module: on any device; run in evaluation mode, and left in the mode it was found in.
        activations: (n, ...) float32.

    Returns:
        float64 (n, d).
    """
    parameter = next(module.parameters(), None)
    device = "cpu" if parameter is None else parameter.device
    modes = [(child, child.training) for child in module.modules()]
    module.eval()
    try:
        # Not in the generator: one that an exception leaves suspended would keep the mode on.
        with torch.inference_mode():
            rows = [
                module(batch)[:size].double().cpu().numpy()
                for batch, size in _padded_batches(activations, device)
            ]
    finally:
        for child, training in modes:
            child.training = training
    return np.concatenate(rows) if rows else np.empty((0, 0))


def _padded_batches(activations: NDArray[np.float32], device: Any) -> Iterator[tuple[Tensor, int]]:
    for start in range(0, len(activations), _FORWARD_BATCH):
        chunk = activations[start : start + _FORWARD_BATCH]
        batch = np.zeros((_FORWARD_BATCH, *activations.shape[1:]), dtype=np.float32)
        batch[: len(chunk)] = chunk
        yield as_batch(batch, device), len(chunk)


def as_batch(values: NDArray[np.float32], device: Any = "cpu") -> Tensor:
    """Rows as a tensor; maps in channels-last layout, which trains twice as fast on a CPU."""
    tensor = torch.from_numpy(np.ascontiguousarray(values)).to(device)
    return tensor.contiguous(memory_format=torch.channels_last) if tensor.ndim == 4 else tensor


def check_collapse(
    before: NDArray[np.float64], after: NDArray[np.float64], *, least: float = 1e-4
) -> None:
    """Refuse a network whose features have lost their variance.

    Deep SVDD's global minimum maps everything to the centre; a run on its way there can still rank
    by rounding noise, so a good metric proves nothing.

    Args:
        before: (n, d) features of some images before training.
        after: (n, d') features of the same images after it.
        least: smallest allowed ratio of total variance. 1e-4 means distances shrunk a hundredfold.

    Raises:
        CollapseError: below that, or not finite.
    """
    if not np.isfinite(after).all():
        raise CollapseError("training diverged: features are not finite; lower learning_rate")
    start, end = float(before.var(axis=0).sum()), float(after.var(axis=0).sum())
    if end < least * start:
        raise CollapseError(
            f"training collapsed: the features kept {end / max(start, 1e-300):.1e} of their "
            "variance; train fewer epochs or lower learning_rate"
        )
