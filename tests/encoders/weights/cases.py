"""Networks and files of weights."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import safetensors.torch
import torch
from torch import Tensor

Save = Callable[[dict[str, Tensor], Path], object]

SAVERS: dict[str, Save] = {
    ".safetensors": safetensors.torch.save_file,
    ".pth": torch.save,
    ".pt": torch.save,
}


def saved(tensors: dict[str, Tensor], path: Path) -> Path:
    SAVERS[path.suffix](tensors, path)
    return path
