"""Fixtures for the tests of encoders: a tiny one, the real default one, and files of images."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
import torch
from huggingface_hub import constants
from numpy.typing import NDArray
from PIL import Image
from tests.support import bad_files
from torch import nn

from twofold.encoders.backbone import Backbone
from twofold.encoders.encoder import Encoder, load_encoder
from twofold.encoders.engine import Engine, make_engine
from twofold.encoders.outputs import BATCH, output_names
from twofold.encoders.spec import EncoderSpec, HubWeights, Network, Preprocessing
from twofold.encoders.weights import state_digest

MakeEncoder = Callable[..., Encoder]


def _isolate(patch: pytest.MonkeyPatch, folder: Path) -> None:
    """No weights, cache or hub of the person who runs the tests."""
    patch.setenv("TWOFOLD_WEIGHTS", str(folder / "weights"))
    patch.setenv("TWOFOLD_CACHE", str(folder / "cache"))
    patch.setattr(constants, "HF_HUB_OFFLINE", True)
    patch.setattr(constants, "HF_HUB_CACHE", str(folder / "hub"))


@pytest.fixture(autouse=True)
def home(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which weights, cache and hub are looked for."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "weights").mkdir()
    _isolate(monkeypatch, folder)
    return folder


@pytest.fixture(scope="session")
def support() -> ModuleType:
    """The module `tests/support/bad_files.py`."""
    return bad_files


def _build_tiny() -> Network:
    segments: dict[str, nn.Module] = {
        "stem": nn.Sequential(nn.Conv2d(3, 8, 3, stride=4, padding=1), nn.ReLU()),
        "layer1": nn.Sequential(nn.Conv2d(8, 12, 3, stride=2, padding=1), nn.BatchNorm2d(12)),
        "layer2": nn.Sequential(nn.ReLU(), nn.Conv2d(12, 16, 3, stride=2, padding=1)),
        "pool": nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten()),
    }
    backbone = Backbone(segments, {8: "layer1", 16: "layer2"}, last_stage="layer2")
    return Network(backbone.segments, backbone)


TINY = EncoderSpec(
    id="tiny",
    architecture="tiny",
    feature_dim=16,
    map_channels={8: 12, 16: 16},
    preprocessing=Preprocessing(32, (120.0, 110.0, 100.0), (60.0, 50.0, 40.0), "bilinear"),
    licence="Apache-2.0",
    weights=HubWeights("nobody/tiny"),
    build=_build_tiny,
)


def _make_tiny(seed: int = 0, preprocessing: Preprocessing | None = None) -> Encoder:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = _build_tiny()
    network.native.eval().requires_grad_(False)
    network.backbone.eval()
    spec = TINY if preprocessing is None else replace(TINY, preprocessing=preprocessing)
    return Encoder(spec, network, state_digest(network.native.state_dict()))


@pytest.fixture(scope="session")
def make_tiny() -> MakeEncoder:
    """Make an encoder of a few thousand weights for 32 x 32 pixels: seed, preprocessing."""
    return _make_tiny


@pytest.fixture(scope="session")
def tiny() -> Encoder:
    return _make_tiny()


@pytest.fixture(scope="session")
def isolated(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[], AbstractContextManager[None]]:
    """What ``home`` is to a test, for fixtures that live longer than one."""
    folder = tmp_path_factory.mktemp("session")

    @contextmanager
    def enter() -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            _isolate(patch, folder)
            yield

    return enter


@pytest.fixture(scope="session")
def lite0(isolated: Callable[[], AbstractContextManager[None]]) -> Encoder:
    """The default encoder with its real weights."""
    with isolated():
        return load_encoder("efficientnet_lite0")


@pytest.fixture(scope="session")
def lite0_openvino(lite0: Encoder, isolated: Callable[[], AbstractContextManager[None]]) -> Engine:
    """It takes seconds to compile, so this one gives every output."""
    with isolated():
        return make_engine(lite0, output_names(lite0), "openvino")


@pytest.fixture(scope="session")
def lite0_torch(lite0: Encoder) -> Engine:
    return make_engine(lite0, output_names(lite0), "torch")


def _random_batch(size: int, seed: int = 0) -> NDArray[np.uint8]:
    generator = np.random.default_rng(seed)
    return generator.integers(0, 256, (BATCH, size, size, 3), dtype=np.uint8)


@pytest.fixture(scope="session")
def random_batch() -> Callable[..., NDArray[np.uint8]]:
    """Make one engine's batch of noise: side, seed."""
    return _random_batch


def _picture(seed: int, width: int = 40, height: int = 48) -> Image.Image:
    """A smooth RGB image that differs from that of any other seed."""
    generator = np.random.default_rng(seed)
    grid = generator.integers(0, 256, (5, 5, 3), dtype=np.uint8)
    return Image.fromarray(grid).resize((width, height), Image.Resampling.BICUBIC)


@pytest.fixture(scope="session")
def make_picture() -> Callable[..., Image.Image]:
    """Make a smooth image: seed, width, height."""
    return _picture


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ...]:
    """Seventeen PNG files (two engine batches and one more), of three sizes."""
    folder = tmp_path_factory.mktemp("photos")
    paths = []
    for index in range(2 * BATCH + 1):
        width, height = [(40, 48), (32, 32), (64, 20)][index % 3]
        path = folder / f"{index:02}.png"
        _picture(index, width, height).save(path)
        paths.append(path)
    return tuple(paths)
