"""A detector on the toy encoder, with no cache or weights of the person who runs the tests."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from numpy.typing import NDArray
from PIL import Image
from tests.support import toy

from twofold import Detector
from twofold.method_table import METHODS

Images = NDArray[Any]


@pytest.fixture(autouse=True)
def isolated(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TWOFOLD_CACHE", "off")
    monkeypatch.setenv("TWOFOLD_WEIGHTS", str(tmp_path / "no-weights"))
    with toy.registered():
        yield


def _make(method: str = "auto", **options: Any) -> Detector:
    # The torch engine needs no compilation, which for a toy would take all of the time.
    given = {"encoder": toy.ENCODER, "weights": "random", "engine": "torch"} | options
    # A trial of made-up flaws takes longer than all the rest; its tests ask for it.
    if method == "auto" and "options" not in given:
        given["options"] = {"effort": "fast"}
    return Detector(method, **given)


@pytest.fixture
def make() -> Callable[..., Detector]:
    """Make a detector: method, other constructor arguments."""
    return _make


@pytest.fixture(scope="session")
def world() -> toy.World:
    return toy.make_world()


@pytest.fixture(scope="session")
def fitted(world: toy.World) -> Detector:
    """An automatic detector; do not fit it again."""
    with pytest.MonkeyPatch.context() as patch, toy.registered():
        patch.setenv("TWOFOLD_CACHE", "off")
        return _make().fit(world.source, world.pool)


@dataclass(frozen=True)
class Fit:
    """A fitted detector and what its fit warned of."""

    detector: Detector
    warned: tuple[str, ...]


@pytest.fixture(scope="session")
def fit_of(world: toy.World) -> Callable[..., Fit]:
    """Each method's quick fit, made once for all tests; do not fit it again.

    Further arguments are options of the method.
    """

    @functools.cache
    def fit(name: str, **more: Any) -> Fit:
        method = METHODS.load(name)
        labels = world.pool_labels if method.uses_labels() else None
        shots = world.pool[world.pool_labels == 0][:5] if "target_shots" in method.needs else None
        detector = _make(name, options=toy.quick_options(method, **more), false_alarm_rate=0.1)
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            detector.fit(world.source, world.pool, target_shots=shots, target_labels=labels)
        return Fit(detector, tuple(str(note.message) for note in caught))

    return fit


def _write(folder: Path, images: Images) -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{index:03}.png" for index in range(len(images))]
    for path, pixels in zip(paths, images, strict=True):
        Image.fromarray(pixels).save(path)
    return paths


@pytest.fixture(scope="session")
def write() -> Callable[[Path, Images], list[Path]]:
    """Write images as PNG files 000.png, 001.png, ...: folder, images."""
    return _write
