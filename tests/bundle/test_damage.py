"""The model format: flipped bytes and truncations."""

from __future__ import annotations

import random
from pathlib import Path

import numpy as np
import pytest
from tests.bundle.cases import HEADER, arrays, forge_file

from twofold.bundle import (
    read_bundle,
)
from twofold.errors import BundleError


def flips(model: Path, count: int, seed: int) -> None:
    rng = random.Random(seed)
    whole = {file: file.read_bytes() for file in sorted(model.iterdir())}
    for _ in range(count):
        file = rng.choice(list(whole))
        raw = bytearray(whole[file])
        if rng.random() < 0.2:
            del raw[rng.randrange(len(raw)) :]
        else:
            for _ in range(rng.choice([1, 1, 1, 2, 8])):
                raw[rng.randrange(len(raw))] = rng.randrange(256)
        if raw == whole[file]:
            continue
        file.write_bytes(raw)
        with pytest.raises(BundleError):
            read_bundle(model).extra("encoder")
        file.write_bytes(whole[file])
    assert read_bundle(model).header == HEADER


def test_flipped_bytes_and_truncations(model: Path) -> None:
    flips(model, 500, 0)


@pytest.mark.slow
def test_many_flipped_bytes_and_truncations(model: Path) -> None:
    flips(model, 10_000, 1)


def test_flips_behind_matching_hashes(model: Path) -> None:
    """Whatever the bytes are, the answer is a BundleError or finite arrays as listed."""
    rng = random.Random(2)
    whole = (model / "tensors.safetensors").read_bytes()
    for _ in range(300):
        raw = bytearray(whole)
        for _ in range(rng.choice([1, 2, 4])):
            raw[rng.randrange(len(raw))] = rng.randrange(256)
        forge_file(model, bytes(raw))
        try:
            loaded = read_bundle(model).tensors
        except BundleError:
            continue
        assert {name: a.shape for name, a in loaded.items()} == {
            name: a.shape for name, a in arrays().items()
        }
        assert all(np.isfinite(a).all() for a in loaded.values())
