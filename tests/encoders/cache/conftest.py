"""Vectors to keep and digests to keep them under."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.encoders.cache.cases import SPACE, vectors

from twofold.encoders.cache import EmbeddingCache


@pytest.fixture
def cache(tmp_path: Path) -> EmbeddingCache:
    return EmbeddingCache(tmp_path)


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """The bytes of a sound cache of 40 vectors."""
    cache = EmbeddingCache(tmp_path_factory.mktemp("sound"))
    cache.put(SPACE, vectors(40).items())
    return cache.path.read_bytes()
