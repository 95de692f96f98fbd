"""Vectors to keep and digests to keep them under."""

from __future__ import annotations

import hashlib

import numpy as np
from numpy.typing import NDArray

from twofold.encoders.cache import EmbeddingCache

Vectors = dict[str, NDArray[np.float32]]


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


SPACE, OTHER = digest("space"), digest("other space")


def vectors(n: int, size: int = 16, name: str = "image") -> Vectors:
    generator = np.random.default_rng(n)
    return {digest(f"{name} {i}"): generator.normal(size=size).astype(np.float32) for i in range(n)}


def assert_same(found: Vectors, expected: Vectors) -> None:
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        np.testing.assert_array_equal(found[key], value)
        assert found[key].dtype == np.float32
        assert found[key].shape == value.shape


def held(cache: EmbeddingCache, entries: Vectors, *spaces: str) -> int:
    """How many of the images have their vector in every space."""
    parts = [set(cache.get(space, list(entries))) for space in spaces]
    return len(set.intersection(*parts))
