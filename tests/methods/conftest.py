"""Fixtures for the tests of methods."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
from tests.support.engines import sharing

from twofold.encoders import pixels
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine
from twofold.encoders.outputs import EngineKind


@pytest.fixture(autouse=True)
def _shared_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images made in memory go through one engine a process, which for a toy is PyTorch's."""
    make = sharing("torch")

    def shared(encoder: Encoder, outputs: Sequence[str], kind: EngineKind) -> Engine:
        assert kind == "auto"
        return make(encoder, outputs, kind)

    monkeypatch.setattr(pixels, "make_engine", shared)
