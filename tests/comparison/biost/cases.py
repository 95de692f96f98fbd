"""What several tests of BiOST share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

QUICK: dict[str, Any] = {
    "ngf": 2,
    "residual_blocks": 0,
    "translation_epochs": 1,
    "decay_epochs": 0,
    "epoch_images": 2,
    "translation_side": 32,
    "views": 4,
    "trees": 20,
}


def moved(before: nn.Module, after: nn.Module) -> bool:
    pairs = zip(before.state_dict().values(), after.state_dict().values(), strict=True)
    return any(not torch.equal(one, other) for one, other in pairs)
