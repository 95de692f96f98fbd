"""Fixtures for the tests of methods."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from twofold.encoders import pixels
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine, EngineKind, make_engine

_made: dict[tuple[str, tuple[str, ...]], Engine] = {}


@pytest.fixture(autouse=True)
def _shared_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images made in memory go through one engine a process: compiling takes seconds."""

    def shared(encoder: Encoder, outputs: Sequence[str], kind: EngineKind) -> Engine:
        assert kind == "auto"
        key = (encoder.fingerprint, tuple(outputs))
        if key not in _made:
            _made[key] = make_engine(encoder, outputs, "torch")
        return _made[key]

    monkeypatch.setattr(pixels, "make_engine", shared)
