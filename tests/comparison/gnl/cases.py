"""What several tests of GNL share."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch import Tensor

from twofold.training import local_generator

QUICK: dict[str, Any] = {"student_blocks": "plain", "student_epochs": 4}
SHAPES = [(6, 13, 9), (10, 7, 5), (8, 4, 3)]  # Odd sizes, halved and rounded up.


def small_world() -> toy.Encoded:
    return toy.encoded_world(n_source=24, n_pool=4, n_test=12)


def pixels_of(world: toy.Encoded) -> NDArray[np.uint8]:
    return world.source["pixels"][:].astype(np.uint8)


def maps(n: int = 2, seed: int = 0) -> tuple[Tensor, ...]:
    generator = local_generator(seed)
    return tuple(torch.randn(n, *shape, generator=generator) for shape in SHAPES)
