"""Comparison of encoded rows."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.encoders.encode.cases import ALL

from twofold.encoders import inference
from twofold.encoders.cache import EmbeddingCache
from twofold.encoders.encode import EncodedImages, FrozenEncoder
from twofold.encoders.encoder import Encoder
from twofold.images import ImageSet


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    folder = tmp_path / "cache"
    folder.mkdir()
    return EmbeddingCache(folder)


@pytest.fixture(scope="module")
def frozen(tiny: Encoder) -> FrozenEncoder:
    """Without a cache."""
    return FrozenEncoder(tiny, ALL, engine="torch")


@pytest.fixture(scope="module")
def reference(frozen: FrozenEncoder, photos: tuple[Path, ...]) -> EncodedImages:
    return frozen.encode(ImageSet.from_paths(photos))


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """From here on, whoever compiles an engine fails."""

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("an engine was compiled")

    monkeypatch.setattr(inference, "make_engine", refuse)
