"""Networks and files of weights."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.weights import state_digest


@pytest.fixture(scope="module")
def resnet18() -> Encoder:
    """With random weights of its own, so that loading them again shows."""
    encoder = load_encoder("resnet18", "random")
    generator = torch.Generator().manual_seed(8)
    for parameter in encoder.network.native.parameters():
        parameter.copy_(torch.randn(parameter.shape, generator=generator) * 0.02)
    return replace(encoder, weights_sha256=state_digest(encoder.state()))
