"""What several tests of IRAD share."""

from __future__ import annotations

from typing import Any

import torch
from torch import nn

PIXEL: dict[str, Any] = {"space": "pixel", "ngf": 4, "latent_dim": 8, "least_steps": 3}
PIXEL |= {"adversarial_epochs": 2, "trees": 20}
DIM, LATENT = 6, 4


def same(one: nn.Module, other: nn.Module) -> bool:
    pairs = zip(one.state_dict().values(), other.state_dict().values(), strict=True)
    return all(torch.equal(a, b) for a, b in pairs)
