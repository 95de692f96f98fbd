"""Modules as named arrays, and back."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from numpy.typing import NDArray

from twofold.deferred import deferred

if TYPE_CHECKING:
    import torch
    from torch import nn
else:
    torch = deferred("torch")

__all__ = ["load_arrays", "module_arrays", "prefixed", "under"]

Arrays = Mapping[str, NDArray[Any]]


def module_arrays(module: nn.Module, prefix: str) -> dict[str, NDArray[Any]]:
    """A module's weights and statistics, each under ``prefix`` and its own name."""
    return {
        f"{prefix}{name}": tensor.detach().cpu().contiguous().numpy()
        for name, tensor in module.state_dict().items()
    }


def load_arrays(module: nn.Module, arrays: Arrays, prefix: str) -> None:
    """Inverse of :func:`module_arrays`.

    Raises:
        RuntimeError: what stands under ``prefix`` is not exactly what the module needs.
    """
    own = under(arrays, prefix)
    module.load_state_dict({name: torch.from_numpy(array) for name, array in own.items()})


def under(arrays: Arrays, prefix: str) -> dict[str, NDArray[Any]]:
    """Those whose name starts with ``prefix``, without it."""
    return {k.removeprefix(prefix): v for k, v in arrays.items() if k.startswith(prefix)}


def prefixed(prefix: str, arrays: Arrays) -> dict[str, NDArray[Any]]:
    """Inverse of :func:`under`."""
    return {prefix + name: array for name, array in arrays.items()}
