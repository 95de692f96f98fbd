"""Fixtures for the command line: small images, a fitted model, and two ways to run commands."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from tests.cli.cases import FAST
from tests.support.engines import sharing
from typer.testing import CliRunner, Result

from twofold.cli.app import app
from twofold.encoders import inference

Run = Callable[..., Result]

SIDE = 48


def _share_engines(patch: pytest.MonkeyPatch) -> None:
    """Let every `FrozenEncoder` of this process with the same weights use the same engine."""
    patch.setattr(inference, "make_engine", sharing())


def write_images(folder: Path, *, n: int, tint: int, seed: int, spot: bool = False) -> None:
    """Write `n` PNGs of one texture; `tint` shifts the colour, `spot` adds a large defect."""
    folder.mkdir(parents=True)
    generator = np.random.default_rng(seed)
    stripes = np.linspace(0, 6 * np.pi, SIDE)
    for number in range(n):
        wave = 100 + 40 * np.sin(stripes + generator.uniform(0, 2))
        pixels = np.repeat(np.broadcast_to(wave, (SIDE, SIDE))[..., None], 3, axis=2)
        pixels = pixels + np.array([tint, 0, -tint]) + generator.normal(0, 8, (SIDE, SIDE, 3))
        if spot:
            top, left = generator.integers(4, 20, 2)
            pixels[top : top + 24, left : left + 24] = generator.uniform(0, 255, (24, 24, 3))
        Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder / f"{number:03}.png")


@pytest.fixture(scope="session")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with images of two lines and `model`, fitted once with the default encoder."""
    folder = tmp_path_factory.mktemp("world")
    write_images(folder / "source", n=40, tint=0, seed=1)
    write_images(folder / "target", n=40, tint=40, seed=2)
    write_images(folder / "defects", n=4, tint=40, seed=3, spot=True)
    for path in (folder / "defects").iterdir():
        shutil.move(path, folder / "target" / f"x{path.name}")
    write_images(folder / "normal", n=12, tint=40, seed=4)
    write_images(folder / "anomalous", n=8, tint=40, seed=5, spot=True)
    write_images(folder / "few", n=8, tint=0, seed=6)
    write_images(folder / "mixed", n=3, tint=40, seed=7)
    (folder / "mixed" / "damaged.png").write_bytes(b"\x89PNG\r\n\x1a\nnothing follows")
    (folder / "bad").mkdir()
    (folder / "bad" / "empty.png").write_bytes(b"")
    with pytest.MonkeyPatch.context() as patch:
        _share_engines(patch)
        patch.setenv("TWOFOLD_CACHE", str(tmp_path_factory.getbasetemp() / "cli-cache"))
        patch.setenv("TWOFOLD_WEIGHTS", str(folder / "weights"))
        result = CliRunner().invoke(
            app,
            [
                *("fit", "--source", str(folder / "source"), "--target", str(folder / "target")),
                *("--out", str(folder / "model"), "--json", *FAST),
            ],
        )
        (folder / "fit.out").write_text(result.stdout, encoding="utf-8")
        (folder / "fit.err").write_text(result.stderr, encoding="utf-8")
        assert result.exit_code == 0, result.stderr
    return folder


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory) -> None:
    """No cache or weights of the person who runs the tests; one cache for all tests here."""
    base = tmp_path_factory.getbasetemp() / "cli-cache"
    _share_engines(monkeypatch)  # compiling takes seconds
    monkeypatch.setenv("TWOFOLD_CACHE", str(base))
    monkeypatch.setenv("TWOFOLD_WEIGHTS", str(base / "weights"))
    monkeypatch.setenv("TWOFOLD_DEBUG", "")  # `main` sets it; this puts it back afterwards
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.fixture
def run() -> Run:
    """Run a command in this process; arguments are turned into text."""

    def invoke(*arguments: object) -> Result:
        return CliRunner().invoke(app, [str(argument) for argument in arguments])

    return invoke


@pytest.fixture
def as_object() -> Callable[[str], dict[str, Any]]:
    """Parse what must be one JSON object without NaN and nothing else."""

    def parse(text: str) -> dict[str, Any]:
        def refuse(constant: str) -> None:
            raise AssertionError(f"{constant} is not JSON")

        content = json.loads(text, parse_constant=refuse)
        assert isinstance(content, dict)
        return content

    return parse
