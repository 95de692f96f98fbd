"""Small image files, and a saved detector of them."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from twofold import Detector

SIDE = 48


def write_images(folder: Path, n: int, *, tint: int = 0, seed: int = 0) -> list[str]:
    """`n` PNG files of stripes; their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    generator = np.random.default_rng(seed)
    paths = []
    for number in range(n):
        wave = 100 + 40 * np.sin(np.linspace(0, 20, SIDE) + generator.uniform(0, 2))
        pixels = wave[None, :, None] + np.array([tint, 0, -tint])
        pixels = pixels + generator.normal(0, 8, (SIDE, SIDE, 3))
        path = folder / f"{number:03}.png"
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(path)
        paths.append(str(path))
    return paths


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache for all tests here: with it the network is converted once."""
    return tmp_path_factory.getbasetemp() / "cluster-cache"


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, cache: Path) -> None:
    monkeypatch.setenv("TWOFOLD_CACHE", str(cache))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory, cache: Path) -> Path:
    """A detector with the default encoder."""
    folder = tmp_path_factory.mktemp("model")
    with pytest.MonkeyPatch.context() as patch, warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # so few images
        patch.setenv("TWOFOLD_CACHE", str(cache))
        source = write_images(folder / "source", 24, seed=1)
        target = write_images(folder / "target", 24, tint=30, seed=2)
        Detector(method="target_only").fit(source, target).save(folder / "model")
    return folder / "model"


@pytest.fixture(scope="session")
def mixed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of 21 good images, an empty file and one that is no image."""
    folder = tmp_path_factory.mktemp("mixed")
    write_images(folder, 21, tint=30, seed=3)
    (folder / "005x.png").write_bytes(b"")
    (folder / "011x.png").write_bytes(b"no image at all")
    return folder
