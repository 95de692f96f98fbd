"""The toy encoder with a text tower."""

from __future__ import annotations

import zlib
from dataclasses import replace
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from tests.support import toy
from torch import Tensor, nn

from twofold.encoders.encoder import Encoder, seeded
from twofold.encoders.spec import TextTower


def build() -> nn.Module:
    return nn.Embedding(1000, toy.DIM)


def encode(native: nn.Module, text: str) -> Tensor:
    """The row of a text's checksum."""
    return torch.as_tensor(native(torch.tensor(zlib.crc32(text.encode()) % 1000)))


def vector_of(text: str) -> NDArray[Any]:
    """The text's vector, without the library."""
    with torch.inference_mode():
        return np.asarray(encode(seeded(build), text).numpy(), dtype=np.float64)


# Tests put the encoder with texts in its place.
_without_text = toy.encoder


@lru_cache(maxsize=1)
def toy_with_text() -> Encoder:
    """The same network, with random weights of a text tower beside it."""
    encoder = _without_text()
    return replace(encoder, spec=replace(encoder.spec, text=TextTower(build, encode, ())))
