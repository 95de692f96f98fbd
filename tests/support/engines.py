"""One engine a process for tests that make the same one over and over: compiling takes seconds."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence

import pytest

from twofold.encoders import pixels
from twofold.encoders.encoder import Encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.outputs import EngineKind

__all__ = ["shared_engines", "sharing"]

# Of each process: a forked child would wait for its parent's threads.
_made: dict[tuple[int, str, tuple[str, ...], EngineKind], Engine] = {}


def sharing(
    kind: EngineKind | None = None,
) -> Callable[[Encoder, Sequence[str], EngineKind], Engine]:
    """To stand in for ``make_engine``: the same weights, outputs and kind give the same engine.

    Args:
        kind: made whatever kind is asked for; None makes the one asked for.
    """

    def shared(encoder: Encoder, outputs: Sequence[str], asked: EngineKind) -> Engine:
        made = asked if kind is None else kind
        key = (os.getpid(), encoder.fingerprint, tuple(outputs), made)
        if key not in _made:
            _made[key] = make_engine(encoder, outputs, made)
        return _made[key]

    return shared


@pytest.fixture(autouse=True)
def shared_engines(monkeypatch: pytest.MonkeyPatch) -> None:
    """Images made in memory go through one engine a process, which for a toy is PyTorch's."""
    make = sharing("torch")

    def shared(encoder: Encoder, outputs: Sequence[str], kind: EngineKind) -> Engine:
        assert kind == "auto"
        return make(encoder, outputs, kind)

    monkeypatch.setattr(pixels, "make_engine", shared)
